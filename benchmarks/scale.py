"""What many jobs cost: `python -m benchmarks.scale` predicts it, `--measure` measures it, `--check` holds one to the other.

The numbers of `docs/scale.md` come from here. The connector, its vendor and the back end are in this process: what
is measured is the service's path of a request, without the transport, and the calls that reach the vendor.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import json
import math
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch import gathering
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import Envelope, seal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyteidl2.connector import connector_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

TASK_TYPE = "scale"
TOLERANCE = 0.2
READS_PER_EXECUTOR = 10.0
"""Polls a second that one executor of Flyte's back end makes at most: `webApi.readRateLimiter`."""


@dataclass(frozen=True)
class Costs:
    """What was measured on one core of one machine; see `docs/scale.md`.

    Attributes:
        poll_seconds: CPU time of a GetTask, the transport included.
        create_seconds: CPU time of a CreateTask.
        idle_bytes: Resident memory of an idle replica.
        kept_bytes: Memory of a job whose answer is kept.
    """

    poll_seconds: float = 160e-6
    create_seconds: float = 200e-6
    idle_bytes: float = 48e6
    kept_bytes: float = 650.0


@dataclass(frozen=True)
class Load:
    """What the back end asks for.

    Attributes:
        jobs: Jobs that run at once.
        poll_interval: Seconds between two polls of a job.
        lifetime: Seconds that a job runs.
        executors: Executors of the back end.
        reads: Polls a second of each executor at most.
        min_poll_interval: Of the connector with `get_many`; None for one with `get` alone.
        busy: The share of a core that a replica may use.
        replicas: How many there are; 0 for as many as the load needs.
    """

    jobs: int
    poll_interval: float = 30.0
    lifetime: float = 3600.0
    executors: int = 1
    reads: float = READS_PER_EXECUTOR
    min_poll_interval: float | None = 5.0
    busy: float = 0.6
    replicas: int = 0


@dataclass(frozen=True)
class Prediction:
    """What a load costs.

    Attributes:
        polled_every: Seconds between two polls of a job: the limit of the executors' reads may stretch them.
        polls: Polls a second, of all replicas.
        creates: Creates a second.
        replicas: Replicas of one core.
        megabytes: Resident memory of one replica.
        vendor_calls: Calls a second that ask the vendor for states.
        share: Of those that one `get` for each poll would make.
        stale: Seconds after which the back end knows of a job's end at the latest.
        wall: What limits the load first.
    """

    polled_every: float
    polls: float
    creates: float
    replicas: int
    megabytes: float
    vendor_calls: float
    share: float
    stale: float
    wall: str


def predict(load: Load, costs: Costs = Costs()) -> Prediction:
    """The model: arithmetic on the rates, with no fitted constant but the measured costs."""
    can_read = load.executors * load.reads
    polled_every = max(load.poll_interval, load.jobs / can_read)
    polls = load.jobs / polled_every
    creates = load.jobs / load.lifetime
    cores = polls * costs.poll_seconds + creates * costs.create_seconds
    replicas = load.replicas or max(1, math.ceil(cores / load.busy))
    kept = 0.0
    if load.min_poll_interval is None:
        calls = polls
    else:
        # Calls of one job reach the replicas in turn. One that is polled too seldom is new each time.
        follows = replicas * polled_every <= gathering.FOLLOWED
        interval = load.min_poll_interval if follows else 0.0
        calls = replicas * _questions(interval, polls / replicas, creates)
        if load.min_poll_interval:
            kept = min(load.jobs, gathering.MOST_KEPT)
    limited = polled_every > load.poll_interval
    return Prediction(
        polled_every=polled_every,
        polls=polls,
        creates=creates,
        replicas=replicas,
        megabytes=(costs.idle_bytes + kept * costs.kept_bytes) / 1e6,
        vendor_calls=calls,
        share=calls / polls,
        stale=polled_every + (load.min_poll_interval or 0.0),
        wall="the back end's read limiter" if limited else "none: polls are on time",
    )


def _questions(interval: float, polls: float, new_jobs: float) -> float:
    """Calls of `get_many` a second in one replica, for its polls and the jobs that are new to it, a second."""
    window = gathering.WINDOW
    gathered = polls / (1 + polls * window)
    if not interval:
        return gathered
    # The first poll after the interval asks about all jobs; each new job asks by itself, and renews old answers, too.
    of_new = new_jobs / (1 + new_jobs * window)
    renewals = 1 / (interval + 1 / polls + window)
    return min(gathered, of_new + renewals * math.exp(-of_new * interval / 2))


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


CHECKED = (
    Load(300, 3.0, 1e9, min_poll_interval=None, reads=1e9, replicas=1),
    Load(300, 3.0, 1e9, min_poll_interval=0.0, reads=1e9, replicas=1),
    Load(300, 3.0, 1e9, min_poll_interval=0.5, reads=1e9, replicas=1),
    Load(600, 3.0, 60.0, min_poll_interval=0.5, reads=1e9, replicas=1),
)
"""Loads that a check runs in real time; the intervals are a tenth of usual ones."""


def check() -> bool:
    """Hold the model to measured runs; whether it keeps within `TOLERANCE`."""
    good = True
    print(f"{'load':52} {'predicted':>10} {'measured':>10} {'off by':>7}   vendor calls a second")
    for load in CHECKED:
        predicted = predict(load).vendor_calls
        measured = asyncio.run(measured_calls(load, 12.0))
        off = predicted / measured - 1
        good &= abs(off) <= TOLERANCE
        about = f"{load.jobs} jobs, every {load.poll_interval:g} s, interval {load.min_poll_interval}, life {load.lifetime:g}"
        print(f"{about:52} {predicted:10.2f} {measured:10.2f} {off:+7.0%}")
    return good


def measure(sizes: Sequence[int], requests: int) -> None:
    """Print what polls cost by the number of jobs, connectors and requests."""
    print(f"{'jobs':>8} {'connectors':>10} {'µs a poll, get':>15} {'get_many':>9} {'bytes kept a job':>17}")
    for jobs, others in [*((jobs, 0) for jobs in sizes), (sizes[0], 999)]:
        polls = max(jobs, 20_000)
        alone, _ = asyncio.run(measured_cost(jobs, None, polls, others))
        many, kept = asyncio.run(measured_cost(jobs, 3600.0, polls, others))
        print(f"{jobs:8} {others + 1:10} {alone * 1e6:15.1f} {many * 1e6:9.1f} {kept:17.0f}")
    megabytes, objects = asyncio.run(measured_growth(requests))
    print(f"{requests} requests leave {megabytes:+.1f} MB and {objects:+} objects behind")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a prediction, or measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    for field in dataclasses.fields(Load):
        default = 10_000 if field.name == "jobs" else field.default
        flag = f"--{field.name.replace('_', '-')}"
        kind = int if field.type == "int" else float
        parser.add_argument(flag, type=kind, default=default, help=f"default {default}")
    parser.add_argument("--get-only", action="store_true", help="a connector without get_many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="hold the model to measured runs")
    parser.add_argument("--measure", action="store_true", help="measure what polls cost")
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of jobs to measure")
    parser.add_argument("--requests", type=int, default=500_000, help="requests to look for leaks")
    options = parser.parse_args(arguments)
    if options.check:
        return 0 if check() else 1
    if options.measure:
        measure([int(size) for size in options.sizes.split(",")], options.requests)
        return 0
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Load)}
    if options.get_only:
        given["min_poll_interval"] = None
    found = dataclasses.asdict(predict(Load(**given)))
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            shown = f"{value:.6g}" if isinstance(value, float) else value
            print(f"{name.replace('_', ' '):15} {shown}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
