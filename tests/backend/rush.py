"""Callers of one connection that never pause, even when the service stops: pollers and creators.

Flyte's back end is such a caller: a call that was on its way when a replica was told to end was sent in
good faith, and counts as a failure of the task when it comes back CANCELLED. The task type is
`neighbours.Quiet`, whose jobs exist nowhere, so that nothing but the calls is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.connector.connector_pb2 import CreateTaskRequest, GetTaskRequest, TaskCategory
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub
from flyteidl2.core.tasks_pb2 import TaskTemplate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

QUIET = "quiet"
POLLERS, CREATORS = 40, 6
REDIAL = [
    ("grpc.use_local_subchannel_pool", 1),  # nobody else's connection
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]
PERIOD_SECONDS = 0.05
DEADLINE_SECONDS = 10.0
OUTSTANDING = 10
"""Calls of one caller at a time: where the machine answers fewer than are due, more would only queue."""


class Rush:
    """The callers of one replica.

    Args:
        address: Where the replica listens.

    Attributes:
        codes: How the calls ended: (method, status code name) to count.
        examples: The details of the first call that ended with each error.
    """

    def __init__(self, address: str, *, pollers: int = POLLERS, creators: int = CREATORS) -> None:
        self.address = address
        self.codes: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], str] = {}
        self._pollers, self._creators = pollers, creators

    @property
    def cancelled(self) -> int:
        """Calls that were answered CANCELLED."""
        return sum(count for (_, code), count in self.codes.items() if code == "CANCELLED")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call for as long as the block runs."""
        get = GetTaskRequest(task_category=TaskCategory(name=QUIET), resource_meta=b'{"id": "x"}')
        channel = grpc.aio.insecure_channel(self.address, options=REDIAL)
        verbs = AsyncConnectorServiceStub(channel)
        callers = [self._keep_calling(verbs, "GetTask", itertools.repeat(get)) for _ in range(self._pollers)]
        callers += [self._keep_calling(verbs, "CreateTask", _creates(n)) for n in range(self._creators)]
        calling = [asyncio.ensure_future(caller) for caller in callers]
        try:
            yield
        finally:
            for caller in calling:
                caller.cancel()
            await asyncio.gather(*calling, return_exceptions=True)
            await channel.close()

    async def _keep_calling(self, verbs: AsyncConnectorServiceStub, method: str, requests: Iterable[Any]) -> None:
        """Send the next request on time, whether the last ones were answered or not."""
        calls: set[asyncio.Task[None]] = set()
        try:
            for request in requests:
                if len(calls) >= OUTSTANDING:
                    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                call = asyncio.create_task(self._call(verbs, method, request))
                calls.add(call)
                call.add_done_callback(calls.discard)
                await asyncio.sleep(PERIOD_SECONDS)
        finally:
            for call in calls:
                call.cancel()

    async def _call(self, verbs: AsyncConnectorServiceStub, method: str, request: Any) -> None:
        began = time.monotonic()
        try:
            await getattr(verbs, method)(request, timeout=DEADLINE_SECONDS)
            self.codes[method, "OK"] += 1
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            if code == "CANCELLED" and time.monotonic() - began > DEADLINE_SECONDS:
                code = "DEADLINE_EXCEEDED"  # the server has looked at its clock first
            ended = method, code
            self.codes[ended] += 1
            self.examples.setdefault(ended, error.details() or "")


def _creates(caller: int) -> Any:
    """Requests of a creator, each for a job of its own."""
    for number in itertools.count():
        request = CreateTaskRequest(template=TaskTemplate(type=QUIET))
        execution = request.task_execution_metadata.task_execution_id
        execution.node_execution_id.execution_id.name = f"rush-{caller}-{number}"
        yield request
