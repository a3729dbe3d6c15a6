"""Flyte 1's back end, with its own messages and service names, is served as Flyte 2's is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import flyte_connectors_official
import grpc
import pytest
from flyte_connectors import NativeInterface, Phase, TaskTemplate
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb

from tests.official import our_jobs
from tests.service.hosting import hosting

agent_pb2 = pytest.importorskip("flyteidl.admin.agent_pb2")
stubs = pytest.importorskip("flyteidl.service.agent_pb2_grpc")


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    connectors = [our_jobs.OurConnector, our_jobs.OurSync]
    async with (
        hosting(connectors=connectors, plugins=[flyte_connectors_official]) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        yield channel


def create_request(interface: NativeInterface, task_type: str, **inputs: Any) -> Any:
    """A CreateTaskRequest of Flyte 1: the bytes are those of Flyte 2."""
    task = TaskTemplate("flyte_1", interface, task_type)
    given = task.interface.write_inputs(task.name, inputs)
    request = execution_of(pb.CreateTaskRequest(template=task.to_proto(), inputs=given))
    return agent_pb2.CreateTaskRequest.FromString(request.SerializeToString())


async def test_connectors_are_listed(channel: grpc.aio.Channel) -> None:
    """As agents, with their categories."""
    stub = stubs.AgentMetadataServiceStub(channel)
    agents = (await stub.ListAgents(agent_pb2.ListAgentsRequest())).agents
    types = {category.name for agent in agents for category in agent.supported_task_categories}
    assert types == {"our_file", "our_sync"}
    assert {agent.name: agent.is_sync for agent in agents} == {"Our Files": False, "Our Sync": True}
    assert {name for agent in agents for name in agent.supported_task_types} == types
    found = await stub.GetAgent(agent_pb2.GetAgentRequest(name="Our Sync"))
    assert found.agent.supported_task_categories[0].name == "our_sync"


async def test_a_task_runs(channel: grpc.aio.Channel) -> None:
    """Inputs and outputs are maps there and lists here; the bytes are the same."""
    stub = stubs.AsyncAgentServiceStub(channel)
    interface = NativeInterface({"number": int}, {"double": int})
    created = await stub.CreateTask(create_request(interface, "our_sync", number=21))
    get = agent_pb2.GetTaskRequest(
        task_type="our_sync",
        resource_meta=created.resource_meta,
        task_category={"name": "our_sync"},
    )
    resource = (await stub.GetTask(get)).resource
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals["double"].scalar.primitive.integer == 42
    delete = agent_pb2.DeleteTaskRequest(
        task_type="our_sync",
        resource_meta=created.resource_meta,
        task_category={"name": "our_sync"},
    )
    await stub.DeleteTask(delete)


async def test_a_quick_answer_comes_in_one_stream(channel: grpc.aio.Channel) -> None:
    """As Flyte 1's back end asks for it, with flyteidl's own stub."""
    interface = NativeInterface({"number": int}, {"double": int})
    create = create_request(interface, "our_sync", number=21)
    header = agent_pb2.CreateRequestHeader(
        template=create.template,
        output_prefix="s3://bucket/prefix",
        task_execution_metadata=create.task_execution_metadata,
    )
    parts = (
        agent_pb2.ExecuteTaskSyncRequest(header=header),
        agent_pb2.ExecuteTaskSyncRequest(inputs=create.inputs),
    )
    stub = stubs.SyncAgentServiceStub(channel)
    (reply,) = [reply async for reply in stub.ExecuteTaskSync(iter(parts), timeout=10)]
    assert reply.header.resource.phase == Phase.SUCCEEDED
    assert reply.header.resource.outputs.literals["double"].scalar.primitive.integer == 42
