"""One connector behind its dispatcher, as the local executor has it or as Flyte does: over gRPC.

Both levels have the same interface, so a test that takes a `Driver` runs on either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings, variable_of

if TYPE_CHECKING:
    from flyte_connectors.bound import BoundConnector

DIRECT, WIRE = "direct", "wire"

WAIT_SECONDS = 30.0
"""Seconds that the kit waits for a condition."""

MOST_PAGES = 1000

RETRYABLE = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
"""Codes after which the same call may succeed."""

CANARY = "kit-canary-7d41f0c2e9"
"""The value of a test secret: wherever it appears, it has leaked."""


class Driver:
    """Calls one connector.

    Args:
        client: Leads to the connector.
        bound: The connector.

    Attributes:
        connection: What Flyte sends with every call of a task: that of the last create.
    """

    def __init__(self, client: Dispatcher | RemoteService, bound: BoundConnector) -> None:
        self.client = client
        self.bound = bound
        category = bound.category
        self._category = {"name": category.name, "version": category.version}
        self.connection: Any = None

    async def create(self, request: pb.CreateTaskRequest, timeout: float | None = None) -> bytes:
        """The resource meta of the job that `request` starts."""
        sent = pb.CreateTaskRequest()
        sent.CopyFrom(request)
        self.connection = sent.connection if sent.HasField("connection") else None
        return (await self.client.create(sent, timeout)).resource_meta

    async def get(self, meta: bytes, timeout: float | None = None) -> pb.Resource:
        """The job's state."""
        return (await self.client.get(self.get_request(meta), timeout)).resource

    async def delete(self, meta: bytes) -> None:
        """Cancel the job."""
        await self.client.delete(self.delete_request(meta))

    async def metrics(self, meta: bytes) -> pb.GetTaskMetricsResponse:
        """The job's metrics."""
        request = pb.GetTaskMetricsRequest(resource_meta=meta, task_category=self._category)
        return await self.client.get_metrics(request)

    def get_request(self, meta: bytes) -> pb.GetTaskRequest:
        """What `get` sends."""
        return pb.GetTaskRequest(resource_meta=meta, task_category=self._category, connection=self.connection)

    def delete_request(self, meta: bytes) -> pb.DeleteTaskRequest:
        """What `delete` sends."""
        return pb.DeleteTaskRequest(resource_meta=meta, task_category=self._category, connection=self.connection)

    def logs_request(self, meta: bytes, token: str = "", lines: int = 0) -> pb.GetTaskLogsRequest:
        """What `log_page` sends."""
        return pb.GetTaskLogsRequest(resource_meta=meta, task_category=self._category, token=token, lines=lines)

    async def log_page(self, meta: bytes, token: str = "", lines: int = 0) -> tuple[list[str], str]:
        """The texts of one page of the log, and the token of the next."""
        request = self.logs_request(meta, token, lines)
        texts, following = [], ""
        async for item in self.client.get_logs(request):
            entries = (item,) if isinstance(item, LogLine) else item.body.lines
            texts += [line.message for line in entries]
            if not isinstance(item, LogLine) and item.HasField("header"):
                following = item.header.token
        return texts, following

    async def log(self, meta: bytes, until: str) -> list[str]:
        """The log's texts, page by page, until it ends or has one that contains `until`."""
        texts, token = await self.log_page(meta, lines=2)
        for _ in range(MOST_PAGES):
            if not token or any(until in text for text in texts):
                break
            page, token = await self.log_page(meta, token, lines=2)
            texts += page
        return texts

    async def end(self, meta: bytes) -> pb.Resource:
        """The job's state once it is terminal."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        resource = await self.get(meta)
        while resource.phase not in TERMINAL_PHASES and loop.time() < deadline:
            await asyncio.sleep(0.01)
            resource = await self.get(meta)
        return resource


@contextlib.asynccontextmanager
async def driving(connector: Any, level: str = DIRECT) -> AsyncIterator[Driver]:
    """A driver of `connector` that raises transient errors instead of answering RUNNING.

    Args:
        connector: A connector, as an entry point may name it.
        level: `DIRECT` or `WIRE`.
    """
    registry = Registry()
    bound = registry.register(connector)
    bound.min_poll_interval = 0.0  # tests look at what has just changed
    if level == DIRECT:
        guard = CallGuard()
        try:
            yield Driver(Dispatcher(registry, guard, local=True), bound)
        finally:
            await guard.drain(1)
        return
    transport = os.environ.get(variable_of("transport"), "grpcio")
    settings = ServiceSettings(port=0, metrics_port=0, transient_errors="raise", grace=1, transport=transport)
    service = ConnectorService(registry, settings)
    await service.start()
    try:
        async with RemoteService(service.address) as client:
            yield Driver(client, bound)
    finally:
        await service.stop()


def execution_of(request: pb.CreateTaskRequest, *, run: str = "", attempt: int = 0) -> pb.CreateTaskRequest:
    """A copy of `request` for a new execution.

    Args:
        request: What to start.
        run: Name of the run; a new one by default.
        attempt: Number of the retry.
    """
    copy = pb.CreateTaskRequest()
    copy.CopyFrom(request)
    identifier = copy.task_execution_metadata.task_execution_id
    identifier.node_execution_id.execution_id.name = run or f"kit{uuid.uuid4().hex[:12]}"
    identifier.node_execution_id.node_id = "a0"
    identifier.retry_attempt = attempt
    return copy


async def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of `condition`; fails when there is none for `WAIT_SECONDS`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while not (answer := condition()):
        assert loop.time() < deadline, f"waited {WAIT_SECONDS:g} s for {what}"
        await asyncio.sleep(0.01)
    return answer
