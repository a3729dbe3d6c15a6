"""Flyte 1's services without flyteidl: what clients find out by reflection, and what they are answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from flyte_connectors import AsyncConnector, NativeInterface, Phase, Resource, SyncConnector
from flyte_connectors import TaskTemplate as Task
from flyte_connectors._registry.plugin_hooks import hooks_of
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import ResourceMeta
from flyte_connectors.errors import PermissionDeniedError
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings, variable_of
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import flyte_connectors_official
from flyte_connectors_official.flyte_1.messages import METADATA_SERVICE, SYNC_SERVICE, message


class Doubler(SyncConnector):
    name = "Doubler"
    task_type_name = "double"
    task_type_version = 3

    async def do(self, inputs: dict[str, Any], **kwargs: Any) -> Resource:
        if not inputs:
            raise PermissionDeniedError("nothing to double")
        return Resource(phase=Phase.SUCCEEDED, outputs={"double": 2 * inputs["number"]})


class Waiter(AsyncConnector[ResourceMeta]):
    name = "Waiter"
    task_type_name = "wait"
    metadata_type = ResourceMeta

    async def create(self, **kwargs: Any) -> ResourceMeta:
        return ResourceMeta()

    async def get(self, resource_meta: ResourceMeta, **kwargs: Any) -> Resource:
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: ResourceMeta, **kwargs: Any) -> None:
        """Nothing."""


@pytest.fixture
async def service() -> AsyncIterator[ConnectorService]:
    registry = Registry()
    registry.register(Doubler)
    registry.register(Waiter)
    registry.take_hooks(hooks_of(flyte_connectors_official))
    transport = os.environ.get(variable_of("transport"), "grpcio")
    settings = ServiceSettings(port=0, metrics_port=0, grace=5.0, transport=transport)
    service = ConnectorService(registry, settings)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def channel(service: ConnectorService) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(service.address) as channel:
        yield channel


def parts(task_type: str, version: int = 0, **inputs: int) -> list[Any]:
    """What Flyte 1 sends: the header, then the inputs."""
    interface = NativeInterface(dict.fromkeys(inputs, int), {"double": int})
    task = Task("task", interface, task_type, task_type_version=version)
    header = message("ExecuteTaskSyncRequest")()
    header.header.template.ParseFromString(task.to_proto().SerializeToString())
    header.header.output_prefix = "file:///nowhere"
    given = message("ExecuteTaskSyncRequest")()
    given.inputs.SetInParent()
    given.inputs.ParseFromString(task.interface.write_inputs("task", inputs).SerializeToString())
    return [header, given]


def execute(channel: grpc.aio.Channel) -> Any:
    """The method of the stub."""
    return channel.stream_stream(
        f"/{SYNC_SERVICE}/ExecuteTaskSync",
        request_serializer=lambda part: part.SerializeToString(),
        response_deserializer=message("ExecuteTaskSyncResponse").FromString,
    )


async def answer(channel: grpc.aio.Channel, sent: list[Any]) -> Any:
    """The one reply to a stream."""
    replies = [reply async for reply in execute(channel)(iter(sent), timeout=10)]
    assert len(replies) == 1
    return replies[0].header.resource


async def test_a_quick_answer_comes_in_one_stream(channel: grpc.aio.Channel) -> None:
    """A header with the resource, outputs included."""
    resource = await answer(channel, parts("double", 3, number=21))
    assert resource.phase == Phase.SUCCEEDED
    (output,) = resource.outputs.literals
    assert (output.name, output.value.scalar.primitive.integer) == ("double", 42)


async def test_the_answer_does_not_wait_for_the_end_of_the_stream(
    channel: grpc.aio.Channel,
) -> None:
    """Some clients close it when they have the answer."""
    call = execute(channel)(timeout=10)
    for part in parts("double", 3, number=1):
        await call.write(part)
    reply = await asyncio.wait_for(call.read(), 5)
    assert reply.header.resource.phase == Phase.SUCCEEDED
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        ([], "INVALID_ARGUMENT", "send the header, then the inputs"),
        (parts("double", 3, number=1)[1:], "INVALID_ARGUMENT", "send the header"),
        (parts("double", 3, number=1)[:1] * 2, "INVALID_ARGUMENT", "send the header"),
        (parts("double", 3)[:1], "PERMISSION_DENIED", "nothing to double"),
        (parts("double", 4, number=1), "NOT_FOUND", "'double' version 4"),
        (parts("wait", number=1), "UNIMPLEMENTED", "is asynchronous: call CreateTask"),
    ],
)
async def test_what_can_not_be_answered_is_told(
    channel: grpc.aio.Channel, sent: list[Any], code: str, text: str
) -> None:
    """With the codes of the other RPCs."""
    with pytest.raises(grpc.aio.AioRpcError, match=text) as told:
        await answer(channel, sent)
    assert told.value.code().name == code


async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel) -> None:
    """As in the other RPCs."""
    bare = channel.stream_stream(f"/{SYNC_SERVICE}/ExecuteTaskSync")
    with pytest.raises(grpc.aio.AioRpcError) as told:
        async for _ in bare(iter([b"\xff\xff"]), timeout=10):
            pass
    assert told.value.code().name == "INVALID_ARGUMENT"


async def test_agents_say_whether_they_answer_at_once(channel: grpc.aio.Channel) -> None:
    """Flyte 1 decides by it how to send a task."""
    listing = channel.unary_unary(
        f"/{METADATA_SERVICE}/ListAgents",
        response_deserializer=message("ListAgentsResponse").FromString,
    )
    agents = {agent.name: agent for agent in (await listing(b"")).agents}
    assert {name: agent.is_sync for name, agent in agents.items()} == {
        "Doubler": True,
        "Waiter": False,
    }
    assert list(agents["Doubler"].supported_task_types) == ["double"]
    assert agents["Doubler"].supported_task_categories[0].version == 3
    getting = channel.unary_unary(
        f"/{METADATA_SERVICE}/GetAgent",
        response_deserializer=message("GetAgentResponse").FromString,
    )
    assert (await getting(b"\x0a\x07Doubler")).agent == agents["Doubler"]
    with pytest.raises(grpc.aio.AioRpcError, match="no connector is named 'x'; known: Doubler"):
        await getting(b"\x0a\x01x")


async def test_reflection_describes_the_services(service: ConnectorService) -> None:
    """So that grpcurl can call them."""

    def looked_up(address: str) -> Any:
        with grpc.insecure_channel(address) as plain:
            database = ProtoReflectionDescriptorDatabase(plain)
            services = set(database.get_services())
            assert {SYNC_SERVICE, METADATA_SERVICE} <= services
            pool = descriptor_pool.DescriptorPool(database)
            method = pool.FindServiceByName(SYNC_SERVICE).methods[0]
            request = message_factory.GetMessageClass(method.input_type)()
            request.header.template.type = "double"
            return method, request

    method, request = await asyncio.to_thread(looked_up, service.address)
    assert (method.client_streaming, method.server_streaming) == (True, True)
    assert request.WhichOneof("part") == "header"
