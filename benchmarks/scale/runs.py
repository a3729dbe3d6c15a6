"""Measured runs: the connector, its vendor and the back end are in this process.

What is measured is the service's path of a request, without the transport, and the calls that reach the vendor.
"""

from __future__ import annotations

import asyncio
import gc
import time
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import Envelope, seal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyteidl2.connector import connector_pb2 as pb

from benchmarks.scale.model import Load

TASK_TYPE = "scale"


class Vendor:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.calls = 0


@dataclass
class JobMeta(ResourceMeta):
    """What identifies a job."""

    job: str


class OneByOne(AsyncConnector[JobMeta]):
    """A connector with `get` alone."""

    name = "Scale"
    task_type_name = TASK_TYPE
    metadata_type = JobMeta

    def __init__(self, vendor: Vendor) -> None:
        super().__init__()
        self.vendor = vendor

    async def create(self, idempotency_key: str, **_: Any) -> JobMeta:  # type: ignore[override]
        """Start nothing."""
        return JobMeta(idempotency_key)

    async def get(self, resource_meta: JobMeta, **_: Any) -> Resource:  # noqa: ARG002
        """Report that it runs."""
        self.vendor.calls += 1
        return Resource(Phase.RUNNING)

    async def delete(self, resource_meta: JobMeta, **_: Any) -> None:
        """Nothing to cancel."""


class AllAtOnce(OneByOne):
    """A connector with `get_many`."""

    def __init__(self, vendor: Vendor, interval: float) -> None:
        super().__init__(vendor)
        self.min_poll_interval = interval

    async def get_many(self, resource_metas: Sequence[JobMeta], **_: Any) -> list[Resource]:  # type: ignore[override]
        """Report that they run."""
        self.vendor.calls += 1
        return [Resource(Phase.RUNNING) for _ in resource_metas]


class Replica:
    """The service's path of a request, over one of these connectors."""

    def __init__(self, connector: OneByOne, others: int = 0) -> None:
        registry = Registry()
        registry.register(connector)
        for number in range(others):
            kind = types.new_class(f"Other{number}", (OneByOne,), exec_body=None)
            kind.task_type_name = f"other{number}"  # type: ignore[attr-defined]
            registry.register(kind(connector.vendor))
        faults = TransientFaults(lost_after=600)
        self._dispatcher = Dispatcher(registry, CallGuard(), faults=faults)

    async def poll(self, job: int) -> None:
        """Answer one GetTask."""
        meta = seal(Envelope(JobMeta(f"run-{job:09}").encode(), key=f"run-{job:09}"), TASK_TYPE)
        request = pb.GetTaskRequest(resource_meta=meta, task_category={"name": TASK_TYPE})
        await self._dispatcher.get(request, 10.0)


async def measured_calls(load: Load, seconds: float) -> float:
    """Calls of the vendor a second while `load` is polled evenly, by one replica, for `seconds`."""
    vendor = Vendor()
    interval = load.min_poll_interval
    replica = Replica(OneByOne(vendor) if interval is None else AllAtOnce(vendor, interval))
    loop = asyncio.get_running_loop()
    rate = load.jobs / load.poll_interval
    waiting: set[asyncio.Task[None]] = set()
    start, sent, began, before = loop.time(), 0, 0.0, 0
    while (now := loop.time() - start) < 2 * load.poll_interval + seconds:
        if not began and now >= 2 * load.poll_interval:  # every job has been polled twice
            began, before = now, vendor.calls
        while sent < now * rate:
            job = sent % load.jobs
            turn = sent // load.jobs * load.poll_interval
            age = job * 7919 % load.jobs / load.jobs * load.lifetime  # jobs end evenly, in no order
            task = asyncio.create_task(replica.poll(job + int((turn + age) // load.lifetime) * load.jobs))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            sent += 1
        await asyncio.sleep(0.001)
    calls = (vendor.calls - before) / (loop.time() - start - began)
    await asyncio.gather(*waiting)
    return calls


async def measured_cost(jobs: int, interval: float | None, polls: int, others: int = 0) -> tuple[float, float]:
    """CPU seconds of a poll, and bytes that a job leaves behind, when `jobs` are polled in turn."""
    vendor = Vendor()
    replica = Replica(OneByOne(vendor) if interval is None else AllAtOnce(vendor, interval), others)
    await replica.poll(0)
    gc.collect()
    memory = _resident_bytes()

    async def all_of(some: range) -> None:
        for first in range(some.start, some.stop, 500):
            await asyncio.gather(*(replica.poll(job % jobs) for job in range(first, min(first + 500, some.stop))))

    await all_of(range(jobs))
    gc.collect()
    kept = (_resident_bytes() - memory) / jobs
    cpu = time.process_time()
    await all_of(range(polls))
    return (time.process_time() - cpu) / polls, kept


async def measured_growth(requests: int) -> tuple[float, int]:
    """Megabytes and objects that `requests` polls of ever new jobs leave behind."""
    replica = Replica(AllAtOnce(Vendor(), 0.0))
    found = []
    for turn in range(2):
        for first in range(0, requests // 10 if not turn else requests, 500):
            base = turn * 10**8 + first
            await asyncio.gather(*(replica.poll(base + at) for at in range(500)))
        gc.collect()
        found.append((_resident_bytes(), len(gc.get_objects())))
    (memory, objects), (memory_after, objects_after) = found
    return (memory_after - memory) / 1e6, objects_after - objects


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
