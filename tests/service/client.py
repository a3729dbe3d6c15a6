"""A gRPC client: the generated stubs, and the three steps that most tests take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import Self

from tests.fakes.requests import category, create_request

DEADLINE_SECONDS = 20.0
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]  # grpc shares connections of like channels


class Client:
    """A client of a connector service.

    Args:
        address: Host and port of the service.
        options: Channel arguments.
        deadline: Seconds that each call may take; the service tries again for most of that while a
            call fails for passing reasons.

    Attributes:
        address: Host and port of the service.
        jobs: Stub of `AsyncConnectorService`.
        metadata: Stub of `ConnectorMetadataService`.
        health: Stub of `grpc.health.v1.Health`.
        channel: The channel of all three.
    """

    def __init__(
        self,
        address: str,
        options: Sequence[tuple[str, Any]] = (),
        *,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self.address = address
        self.deadline = deadline
        options = (("grpc.max_receive_message_length", -1), *options)
        self.channel = grpc.aio.insecure_channel(address, options=options)
        self.jobs = service_pb2_grpc.AsyncConnectorServiceStub(self.channel)
        self.metadata = service_pb2_grpc.ConnectorMetadataServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    async def create(self, task_type: str = "fake_job", version: int = 0, **fields: Any) -> Job:
        """Start a job; `fields` as `create_request` takes them."""
        return await self.send(create_request(task_type, version, **fields))

    async def send(self, request: pb.CreateTaskRequest) -> Job:
        """Start the job that `request` describes."""
        response = await self.jobs.CreateTask(request, timeout=self.deadline)
        return Job(self, response.resource_meta, category(request))

    async def status(self, service: str = "") -> int:
        """The health of a service."""
        request = health_pb2.HealthCheckRequest(service=service)
        status: int = (await self.health.Check(request, timeout=self.deadline)).status
        return status


class Job:
    """A started job.

    Attributes:
        meta: What create returned.
        category: Its task type and version.
    """

    def __init__(self, client: Client, meta: bytes, category: pb.TaskCategory) -> None:
        self._stub = client.jobs
        self._deadline = client.deadline
        self.meta = meta
        self.category = category

    @property
    def _fields(self) -> dict[str, Any]:
        return {"resource_meta": self.meta, "task_category": self.category}

    async def get(self, **fields: Any) -> pb.Resource:
        """Its state."""
        request = pb.GetTaskRequest(**self._fields, **fields)
        return (await self._stub.GetTask(request, timeout=self._deadline)).resource

    async def delete(self, **fields: Any) -> None:
        """Cancel it."""
        request = pb.DeleteTaskRequest(**self._fields, **fields)
        await self._stub.DeleteTask(request, timeout=self._deadline)

    async def metrics(self, **fields: Any) -> pb.GetTaskMetricsResponse:
        """Its metrics."""
        request = pb.GetTaskMetricsRequest(**self._fields, **fields)
        return await self._stub.GetTaskMetrics(request, timeout=self._deadline)

    def log_messages(self, **fields: Any) -> Any:
        """The stream of one page of its log."""
        return self._stub.GetTaskLogs(pb.GetTaskLogsRequest(**self._fields, **fields))

    async def page(self, **fields: Any) -> tuple[list[str], str]:
        """The lines of one page, and the token of the next."""
        lines, token = [], ""
        async for message in self.log_messages(**fields):
            lines += [line.message for line in message.body.lines]
            token = message.header.token or token
        return lines, token

    async def call(self, verb: str) -> Any:
        """Call a verb by its name."""
        verbs = {
            "get": self.get,
            "delete": self.delete,
            "get_logs": self.page,
            "get_metrics": self.metrics,
        }
        return await verbs[verb]()


async def refusal(call: Any) -> tuple[str, str]:
    """The code and the text of the error that a call ends with: one line, no traceback."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    details = raised.value.details()
    assert details
    assert "\n" not in details
    assert "Traceback" not in details
    return raised.value.code().name, details
