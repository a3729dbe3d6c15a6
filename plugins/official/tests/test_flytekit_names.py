"""`import flytekit` where it is not installed; its pages of the specification run in `tests/specification`."""

from __future__ import annotations

import asyncio
import datetime
import importlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from flyte_connectors import NativeInterface, Phase, TaskTemplate, install_as_flyte
from flyte_connectors._registry import table as registry_module
from flyte_connectors._registry.table import Registry
from flyte_connectors.client import local
from flyte_connectors.errors import ConnectorNotFoundError, TaskFailedError
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc as stubs
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors_official.flyte_1.messages import message
from flyte_connectors_official.flytekit_names.modules import MODULES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("flytekit") is not None, reason="flytekit is installed")


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """The names, and a registry of its own."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(registry_module, "_process_registry", Registry())
    local.local_client.cache_clear()
    before = set(sys.modules)
    install_as_flyte()
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"flyte", "flytekit"}:
            del sys.modules[name]


def connectors() -> tuple[Any, Any]:
    """An async and a sync connector, written as for flytekit."""
    from flytekit.extend.backend.base_connector import (
        AsyncConnectorBase,
        Resource,
        ResourceMeta,
        SyncConnectorBase,
    )
    from flytekit.models.literals import LiteralMap

    class Meta(ResourceMeta):  # type: ignore[misc]
        text: str

    class Jobs(AsyncConnectorBase):  # type: ignore[misc]
        name = "Jobs"

        def __init__(self) -> None:
            super().__init__(task_type_name="jobs", metadata_type=Meta)

        async def create(self, task_template: Any, output_prefix: str, inputs: Any, **kwargs: Any) -> Any:
            return Meta(inputs.literals["text"].scalar.primitive.string_value)

        def get(self, resource_meta: Any, **kwargs: Any) -> Any:
            return Resource(Phase.SUCCEEDED, outputs={"text": resource_meta.text})

        def delete(self, resource_meta: Any, **kwargs: Any) -> None:
            pass

        async def get_logs(self, resource_meta: Any, **kwargs: Any) -> Any:
            yield LogLine(message="one")
            yield pb.GetTaskLogsResponse(body={"results": ["two"]})

    class Echo(SyncConnectorBase):  # type: ignore[misc]
        name = "Echo"

        def __init__(self) -> None:
            super().__init__(task_type_name="echo")

        def do(self, task_template: Any, inputs: Any, **kwargs: Any) -> Any:
            return Resource(Phase.SUCCEEDED, outputs=LiteralMap(inputs.literals))

    return Jobs, Echo


def request(task_type: str) -> pb.CreateTaskRequest:
    task = TaskTemplate("t", NativeInterface({"text": str}, {"text": str}), task_type)
    inputs = task.interface.write_inputs("t", {"text": "hi"})
    return execution_of(pb.CreateTaskRequest(template=task.to_proto(), inputs=inputs))


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there(module: str) -> None:
    """And one that is not is refused with the package that may have it."""
    imported = importlib.import_module(module)
    for name in MODULES[module]:
        assert getattr(imported, name)
    with pytest.raises(AttributeError, match=r"flytekit.*\(pip install flytekit\)"):
        getattr(imported, "NoSuchName")  # noqa: B009 - for its error


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    """A gRPC server with flytekit's services, built by hand."""
    from flytekit.extend.backend import base_connector, connector_service

    for connector in connectors():
        base_connector.ConnectorRegistry.register(connector())
    server = grpc.aio.server()
    stubs.add_AsyncConnectorServiceServicer_to_server(connector_service.AsyncConnectorService(), server)
    stubs.add_ConnectorMetadataServiceServicer_to_server(connector_service.ConnectorMetadataService(), server)
    quick = grpc.stream_stream_rpc_method_handler(
        connector_service.SyncConnectorService().ExecuteTaskSync,
        request_deserializer=message("ExecuteTaskSyncRequest").FromString,
        response_serializer=message("ExecuteTaskSyncResponse").SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler("sync", {"ExecuteTaskSync": quick})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def test_a_server_of_ones_own_serves_jobs(channel: grpc.aio.Channel) -> None:
    """`AsyncConnectorService` and `ConnectorMetadataService`, added as flytekit's are."""
    stub = stubs.AsyncConnectorServiceStub(channel)
    created = await stub.CreateTask(request("jobs"))
    about = {"resource_meta": created.resource_meta, "task_category": {"name": "jobs"}}
    resource = (await stub.GetTask(pb.GetTaskRequest(**about))).resource
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals[0].value.scalar.primitive.string_value == "hi"
    await stub.DeleteTask(pb.DeleteTaskRequest(**about))
    pages = [page async for page in stub.GetTaskLogs(pb.GetTaskLogsRequest(**about))]
    assert [line.message for line in pages[0].body.lines] == ["one"]
    assert pages[1].body.results == ["two"]
    listed = await stubs.ConnectorMetadataServiceStub(channel).ListConnectors(pb.ListConnectorsRequest())
    assert {connector.name for connector in listed.connectors} == {"Jobs", "Echo"}


async def test_a_server_of_ones_own_answers_at_once(channel: grpc.aio.Channel) -> None:
    """`SyncConnectorService`: a header, then the inputs."""
    create = request("echo")
    header, inputs = message("ExecuteTaskSyncRequest")(), message("ExecuteTaskSyncRequest")()
    header.header.template.ParseFromString(create.template.SerializeToString())
    inputs.inputs.ParseFromString(create.inputs.SerializeToString())
    call = channel.stream_stream(
        "/sync/ExecuteTaskSync",
        request_serializer=message("ExecuteTaskSyncRequest").SerializeToString,
        response_deserializer=message("ExecuteTaskSyncResponse").FromString,
    )
    (reply,) = [reply async for reply in call(iter([header, inputs]))]
    resource = pb.Resource.FromString(reply.header.resource.SerializeToString())
    assert resource.outputs.literals[0].value.scalar.primitive.string_value == "hi"


def test_the_registry_lists_agents() -> None:
    """As flytekit's does: with `is_sync`."""
    from flytekit.extend.backend.base_connector import ConnectorRegistry

    for connector in connectors():
        ConnectorRegistry.register(connector())
    kinds = {agent.name: agent.is_sync for agent in ConnectorRegistry.list_connectors()}
    assert kinds == {"Jobs": False, "Echo": True}
    assert ConnectorRegistry.get_connector_metadata("Echo").is_sync
    with pytest.raises(ConnectorNotFoundError, match="known: Echo, Jobs"):
        ConnectorRegistry.get_connector_metadata("Other")


def test_a_task_class_runs_by_its_connector() -> None:
    """Its literals become values where its class does not read them itself."""
    from flytekit import task
    from flytekit.extend.backend.base_connector import (
        AsyncConnectorExecutorMixin,
        ConnectorRegistry,
    )
    from flytekit.models.interface import TypedInterface
    from flytekit.models.types import LiteralType, SimpleType

    text = {"text": LiteralType(simple=SimpleType.STRING)}

    @task(task_type="jobs", retries=2)
    class JobsTask(AsyncConnectorExecutorMixin):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(interface=TypedInterface(text, text))

    ConnectorRegistry.register(connectors()[0]())
    assert (JobsTask().name, JobsTask().task_type, JobsTask().retries) == ("jobs_task", "jobs", 2)
    assert JobsTask()(text="hi") == "hi"
    assert JobsTask().execute(text="hi").literals["text"].scalar.primitive.string_value == "hi"


def test_functions_are_tasks_and_workflows() -> None:
    """With flytekit's settings, and checked results."""
    from flytekit import task, workflow

    @task(cache=True, cache_version="1", container_image="image:1", environment={"A": "b"})
    def double(number: int) -> int:
        return 2 * number

    @workflow
    def both(number: int) -> str:
        return double(number=number)  # type: ignore[no-any-return]

    template = double.to_proto()
    assert template.metadata.discovery_version == "1"
    assert template.container.image == "image:1"
    assert double(number=2) == 4
    with pytest.raises(TaskFailedError, match="both"):
        both(number=2)


def test_metadata_reach_the_template() -> None:
    """Of a task with its own container."""
    from flytekit.core.interface import Interface
    from flytekit.core.python_customized_container_task import PythonCustomizedContainerTask
    from flytekit.core.shim_task import ShimTaskExecutor
    from flytekit.core.task import TaskMetadata

    made = PythonCustomizedContainerTask(
        name="t",
        task_config=None,
        container_image="image:1",
        executor_type=ShimTaskExecutor,
        interface=Interface(),
        metadata=TaskMetadata(retries=3, timeout=datetime.timedelta(seconds=5)),
    )
    metadata = made.to_proto().metadata
    assert (metadata.retries.retries, metadata.timeout.seconds) == (3, 5)


def test_the_type_engine_converts_both_ways() -> None:
    """By the types given, or by those of the values."""
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.type_engine import TypeEngine

    context = FlyteContextManager.current_context()
    literals = TypeEngine.dict_to_literal_map(context, {"a": 1, "b": [1.5]}, {"b": list[float]})
    types = {
        name: TypeEngine.guess_python_type(TypeEngine.to_literal_type(hint))
        for name, hint in {"a": int, "b": list[float]}.items()
    }
    assert TypeEngine.literal_map_to_kwargs(context, literals, types) == {"a": 1, "b": [1.5]}
    literal = TypeEngine.to_literal(context, "x", str)
    assert TypeEngine.to_python_value(context, literal, str) == "x"


async def test_plain_and_async_verbs_are_awaited_alike() -> None:
    """`mirror_async_methods`: a plain one does not block the loop."""
    from flytekit.extend.backend.utils import mirror_async_methods

    async def on_loop(value: int) -> tuple[int, bool]:
        return value, threading.current_thread() is threading.main_thread()

    def in_thread(value: int) -> tuple[int, bool]:
        return value, threading.current_thread() is threading.main_thread()

    calls = [mirror_async_methods(on_loop, value=1), mirror_async_methods(in_thread, value=2)]
    assert await asyncio.gather(*calls) == [(1, True), (2, False)]
