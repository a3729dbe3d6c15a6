"""A service with batch jobs and another connector, while the engine of the jobs is away."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from batch_jobs import template
from flyte_connectors import AsyncConnector, Resource, ResourceMeta
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors_batch_job import BatchJobConnector

if TYPE_CHECKING:
    from collections.abc import Callable

_JOBS = 20
_END_SECONDS = 120.0
_WINDOW_SECONDS = 6.0


@dataclasses.dataclass
class EchoMeta(ResourceMeta):
    """Nothing."""


class Echo(AsyncConnector[EchoMeta]):
    """A connector that answers at once."""

    name = "Echo"
    task_type_name = "echo"
    metadata_type = EchoMeta

    async def create(self, **_: Any) -> EchoMeta:
        return EchoMeta()

    async def get(self, resource_meta: EchoMeta, **_: Any) -> Resource:
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: EchoMeta, **_: Any) -> None: ...


@dataclasses.dataclass
class Outage:
    """What an outage has cost.

    Args:
        usual: The 99th percentile of the other connector's answers before it, in milliseconds.
        down: The same while the engine was away.
        phases: The phases that the jobs had in the meantime.
        retried: Calls of the batch jobs' connector that the core repeated.
    """

    usual: float
    down: float
    phases: set[int]
    retried: int

    @property
    def is_felt(self) -> bool:
        """Whether the other connector has answered later."""
        return self.down > 1.5 * self.usual + 5


async def outage(
    begin: Callable[[], object], end: Callable[[], object], *, seconds: float = 60, **fields: Any
) -> Outage:
    """Poll jobs through an outage, as Flyte does, until all of them have succeeded.

    Args:
        begin: Stops the engine.
        end: Starts it again.
        seconds: Between the two.
        fields: Of the jobs, which run longer than it takes until the engine stops.
    """
    registry = Registry()
    registry.register(BatchJobConnector())
    registry.register(Echo())
    service = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0, grace=1))
    await service.start()
    try:
        async with RemoteService(service.address) as client:
            mark = f"run-{secrets.token_hex(3)}-"  # engines remember the jobs of other tests
            task = template(script="sleep 30; exit 0", **fields)
            creates = (client.create(_create(task, f"{mark}{n}"), 60) for n in range(_JOBS))
            started = await asyncio.gather(*creates)
            polls = [_get("batch_job", one.resource_meta) for one in started]
            task.type = "echo"
            echo = _get("echo", (await client.create(_create(task, "e"), 10)).resource_meta)
            await _polled(client, echo, polls, 2)
            usual, _ = await _windows(client, echo, polls, 3 * _WINDOW_SECONDS)
            retried = service.faults.counts.retried
            begin()
            down, phases = await _windows(client, echo, polls, seconds)
            found = Outage(usual, down, set(phases), service.faults.counts.retried - retried)
            end()  # not in a thread: servers die with the thread that has started them
            await _all_succeed(client, polls)
            return found
    finally:
        await service.stop()


async def _all_succeed(client: RemoteService, polls: list[pb.GetTaskRequest]) -> None:
    deadline = time.monotonic() + _END_SECONDS
    pending = list(polls)
    while pending:
        assert time.monotonic() < deadline, f"{len(pending)} jobs have not ended"
        answers = [(one, (await client.get(one, 10)).resource) for one in pending]
        for _, resource in answers:
            assert resource.phase not in TERMINAL_PHASES - {Phase.SUCCEEDED}, resource
        pending = [one for one, resource in answers if resource.phase != Phase.SUCCEEDED]
        await asyncio.sleep(0.5)


async def _windows(
    client: RemoteService, echo: pb.GetTaskRequest, jobs: list[pb.GetTaskRequest], seconds: float
) -> tuple[float, Counter[int]]:
    """See `_polled`; of windows of time the median, because other programs of the machine disturb some of them."""
    found: list[float] = []
    phases: Counter[int] = Counter()
    for _ in range(round(seconds / _WINDOW_SECONDS)):
        percentile, seen = await _polled(client, echo, jobs, _WINDOW_SECONDS)
        found.append(percentile)
        phases += seen
    return statistics.median(found), phases


async def _polled(
    client: RemoteService, echo: pb.GetTaskRequest, jobs: list[pb.GetTaskRequest], seconds: float
) -> tuple[float, Counter[int]]:
    """The 99th percentile of the other connector's answers in milliseconds, and the jobs' phases."""
    times: list[float] = []
    phases: Counter[int] = Counter()

    async def poll(request: pb.GetTaskRequest) -> None:
        phases[(await client.get(request, 10)).resource.phase] += 1

    end = time.monotonic() + seconds
    polls: set[asyncio.Task[None]] = set()
    while time.monotonic() < end:
        polls |= {asyncio.ensure_future(poll(request)) for request in jobs}
        second = time.monotonic() + 1
        while time.monotonic() < second:
            begun = time.perf_counter()
            await client.get(echo, 10)
            times.append(1000 * (time.perf_counter() - begun))
            await asyncio.sleep(0.02)
    await asyncio.gather(*polls)
    return statistics.quantiles(times, n=100)[98], phases


def _create(task: Any, run: str) -> pb.CreateTaskRequest:
    request = pb.CreateTaskRequest(template=task)
    request.task_execution_metadata.task_execution_id.node_execution_id.execution_id.name = run
    return request


def _get(kind: str, meta: bytes) -> pb.GetTaskRequest:
    return pb.GetTaskRequest(resource_meta=meta, task_category={"name": kind, "version": 0})
