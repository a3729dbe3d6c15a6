"""A connector service that answers by script, so that a test decides what the back end sees."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    GetTaskRequest,
    GetTaskResponse,
    Resource,
)
from flyteidl2.connector.service_pb2_grpc import (
    AsyncConnectorServiceServicer,
    add_AsyncConnectorServiceServicer_to_server,
)
from flyteidl2.core.execution_pb2 import TaskExecution

from .service_client import ServiceClient, Timings
from .task import Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FAST = Timings(poll=0.01, deadline=2.0, discovery=0.01, persist=0.0)


class ScriptedService(AsyncConnectorServiceServicer):
    """Answers each call with the next line of its script, and the last one for ever.

    Attributes:
        creates, reads, deletes: Answers: a reply, or the status code of an error.
        requests: What was asked, in order.
    """

    def __init__(self) -> None:
        self.creates: deque[Any] = deque([CreateTaskResponse(resource_meta=b"meta")])
        self.reads: deque[Any] = deque([read(TaskExecution.RUNNING)])
        self.deletes: deque[Any] = deque([DeleteTaskResponse()])
        self.requests: list[Any] = []

    async def CreateTask(self, request: CreateTaskRequest, context: Any) -> Any:  # noqa: N802
        return await self._answer(self.creates, request, context)

    async def GetTask(self, request: GetTaskRequest, context: Any) -> Any:  # noqa: N802
        return await self._answer(self.reads, request, context)

    async def DeleteTask(self, request: DeleteTaskRequest, context: Any) -> Any:  # noqa: N802
        return await self._answer(self.deletes, request, context)

    def asked(self, kind: type) -> list[Any]:
        """The requests of one kind."""
        return [request for request in self.requests if isinstance(request, kind)]

    async def _answer(self, script: deque[Any], request: Any, context: Any) -> Any:
        self.requests.append(request)
        answer = script.popleft() if len(script) > 1 else script[0]
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, "as scripted")
        return answer

    @asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        """Where the service listens while the block runs."""
        server = grpc.aio.server()
        add_AsyncConnectorServiceServicer_to_server(self, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ServiceClient]:
        """A back end's connection to the service while the block runs."""
        async with self.address() as address, ServiceClient([address], FAST, "canary") as client:
            yield client


def read(phase: TaskExecution.Phase, **fields: Any) -> GetTaskResponse:
    """An answer of `GetTask`."""
    return GetTaskResponse(resource=Resource(phase=phase, **fields))


@pytest.fixture
def service() -> ScriptedService:
    """A service whose jobs are created, run for ever, and can be deleted."""
    return ScriptedService()


@pytest.fixture
def task(tmp_path: Any) -> Task:
    """A task that doubles 21."""
    return Task(
        name="t1",
        value=21,
        seconds=0.0,
        endpoint="http://127.0.0.1:1",
        output_root=str(tmp_path),
        secret="canary",
    )
