"""The stage: a vendor, replicas of a connector service and a back end, set up for a scenario."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .discovery import Discovery
from .excuses import CRASHED, KILLED
from .executor import Executor
from .front import Front, nothing
from .launcher import Launcher
from .replicas import ROOT, Flavour, Replica
from .report import DOUBLED, ORPHANS, POLLS_WITHOUT, SECOND_JOBS, Jobs, Report, percentile
from .service_client import ServiceClient, Timings
from .task import Outcome, Task
from .vendor import refuses
from .vendor_client import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from .scenarios import Scenario


@dataclass(frozen=True)
class Setting:
    """What a run is asked for.

    Attributes:
        python: Interpreter of an environment where the service of this flavour is installed.
        directory: For logs and outputs.
        limit: Seconds after which tasks count as unfinished.
        front: Starts what stands between the back end and the replicas.
    """

    flavour: Flavour
    python: Path
    directory: Path
    replicas: int = 1
    tasks: int = 1000
    seed: int = 0
    in_flight: int = 200
    limit: float = 300.0
    timings: Timings = field(default_factory=Timings)
    front: Callable[[list[Replica]], AbstractAsyncContextManager[Front]] = nothing


@dataclass
class Stage:
    """Everything that a disturbance may get at."""

    replicas: list[Replica]
    front: Front
    client: ServiceClient
    executor: Executor
    discovery: Discovery
    seed: int
    notes: Counter[str] = field(default_factory=Counter)


async def play(scenario: Scenario, setting: Setting) -> Report:
    """Run one scenario; the processes it starts are gone when it returns."""
    canary = f"canary-{secrets.token_hex(8)}"
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(_vendor())
        replicas = await stack.enter_async_context(_replicas(scenario, setting, vendor))
        front = await stack.enter_async_context(setting.front(replicas))
        timings = setting.timings
        if scenario.create is not None:
            timings = dataclasses.replace(timings, create=scenario.create)
        client = await stack.enter_async_context(ServiceClient(front.addresses, timings, canary))
        launcher = Launcher(client, setting.seed, cancelling=scenario.cancelling)
        at_once = setting.tasks // scenario.waves or 1
        in_flight = min(setting.in_flight, scenario.in_flight, at_once)
        stage = Stage(
            replicas=replicas,
            front=front,
            client=client,
            executor=Executor(client, launcher, in_flight=in_flight),
            discovery=Discovery(client, scenario.task_type),
            seed=setting.seed,
        )
        tasks = _tasks(scenario, setting, vendor, canary)
        faults = dataclasses.replace(scenario.faults, seed=setting.seed)
        await call("PUT", f"{vendor}/control/faults", dataclasses.asdict(faults))

        before = [await _look(replica) for replica in replicas]
        began = time.monotonic()
        await _run(stage, scenario, tasks, setting.limit)
        seconds = time.monotonic() - began
        after = [await _look(replica) for replica in replicas]

        client.leaks += _leaks(canary, replicas, after)
        report = _report(stage, tasks, await call("GET", f"{vendor}/control/jobs"))
        report.scenario = scenario.name
        report.allowed = _allowed(scenario, stage)
        report.reason = scenario.excuse
        report.against = setting.flavour.value
        report.seconds = round(seconds, 1)
        report.vendor_calls = await call("GET", f"{vendor}/control/calls")
        seen = [(a, b) for a, b in zip(before, after, strict=True) if a and b]
        report.memory_mb = [(round(a.memory, 1), round(b.memory, 1)) for a, b in seen]
        report.series = [(a.series, b.series) for a, b in seen]
        return report


def _report(stage: Stage, tasks: list[Task], jobs: list[dict[str, Any]]) -> Report:
    """The results of the tasks and their jobs."""
    client = stage.client
    outcomes = Counter(task.outcome for task in tasks)
    counts: dict[str, Any] = {outcome.value: outcomes[outcome] for outcome in Outcome}
    counts |= dataclasses.asdict(Jobs.count(tasks, jobs))
    reads = client.seconds["GetTask"]
    stage.notes["crashes"] = stage.executor.crashes
    stage.notes["overdue"] = sum(replica.overdue for replica in stage.replicas)
    return Report(
        replicas=len(stage.replicas),
        tasks=len(tasks),
        seed=stage.seed,
        **counts,
        retries=stage.executor.retries,
        leaked=dict(client.leaks),
        polls=stage.discovery.polls,
        vanished=stage.discovery.vanished,
        p50_ms=1000 * percentile(reads, 0.5),
        p99_ms=1000 * percentile(reads, 0.99),
        codes={" ".join(key): count for key, count in sorted(client.codes.items())},
        examples={" ".join(key): details for key, details in client.examples.items()},
        notes={what: count for what, count in stage.notes.items() if count},
    )


def _allowed(scenario: Scenario, stage: Stage) -> dict[str, int]:
    """What no service could have prevented: see `excuses`.

    A poll that a killed replica was answering is lost with it.
    """
    kills = stage.notes["kills"]
    unanswered = sum(
        count for (verb, code), count in stage.client.codes.items() if verb == "CreateTask" and code != "OK"
    )
    interrupted = stage.executor.interrupted if scenario.excuse is CRASHED else 0
    jobs = {"": 0, KILLED: min(unanswered, kills)}.get(scenario.excuse, unanswered)
    return {
        DOUBLED: interrupted,
        SECOND_JOBS: jobs,
        ORPHANS: jobs + interrupted,
        POLLS_WITHOUT: kills,
    }


async def _run(stage: Stage, scenario: Scenario, tasks: list[Task], limit: float) -> None:
    polling = asyncio.create_task(stage.discovery.run())
    disturbing = asyncio.ensure_future(scenario.disturb(stage))
    working = asyncio.ensure_future(stage.executor.run(tasks))
    try:
        # Everything that may fail by a bug of its own ends the run at once and shows.
        wanted = {working, disturbing} if scenario.awaited else {working}
        pending: set[asyncio.Future[Any]] = {working, disturbing, polling}
        deadline = time.monotonic() + limit
        while wanted & pending and time.monotonic() < deadline:
            done, pending = await asyncio.wait(
                pending,
                timeout=deadline - time.monotonic(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for future in done:
                future.result()
    finally:
        for future in (working, disturbing, polling):
            future.cancel()
        await asyncio.gather(working, disturbing, polling, return_exceptions=True)


def _tasks(scenario: Scenario, setting: Setting, vendor: str, canary: str) -> list[Task]:
    draw = random.Random(setting.seed)
    poll = setting.timings.poll
    outputs = tempfile.mkdtemp(prefix="outputs-", dir=setting.directory)
    return [
        scenario.task(
            name=f"t{number:05}",
            value=draw.randrange(-(2**40), 2**40),
            seconds=round(draw.uniform(*scenario.polls) * poll, 3),
            endpoint=vendor,
            output_root=outputs,
            secret=canary,
            task_type=scenario.task_type,
            refused=refuses(f"t{number:05}", scenario.faults.refused),
            writes_outputs=number % 4 == 0,
            aborts_after=poll * draw.uniform(0, 4) if draw.random() < scenario.aborting else None,
        )
        for number in range(setting.tasks)
    ]


@asynccontextmanager
async def _vendor() -> AsyncIterator[str]:
    """The vendor's URL while its process runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.backend.vendor"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _replicas(scenario: Scenario, setting: Setting, vendor: str) -> AsyncIterator[list[Replica]]:
    setting.directory.mkdir(parents=True, exist_ok=True)
    spools = Path(tempfile.mkdtemp(prefix="spools-", dir=setting.directory))
    name = f"{scenario.name}-{setting.flavour.value}-{setting.replicas}"
    replicas = [
        Replica(
            flavour=setting.flavour,
            python=setting.python,
            modules=[setting.flavour.connector, *scenario.modules],
            log=setting.directory / f"{name}-{number}.log",
            environ={
                "PYTHONPATH": os.pathsep.join(map(str, [*scenario.python_path, ROOT])),
                "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": vendor,
                # Others of the same environment would be imported in mid-run, and count as its memory.
                "FLYTE_CONNECTORS_ALLOW": "flyte-connectors-batch-job",
                **scenario.environ(spools, number),
            },
        )
        for number in range(setting.replicas)
    ]
    try:
        for replica in replicas:
            replica.log.unlink(missing_ok=True)
            await replica.start()
        yield replicas
    finally:
        await asyncio.gather(*(replica.kill() for replica in replicas))


@dataclass(frozen=True)
class Look:
    """What a replica shows: memory in MB, metric series, the metrics page."""

    memory: float
    page: str

    @property
    def series(self) -> int:
        return sum(bool(line) and not line.startswith("#") for line in self.page.splitlines())


async def _look(replica: Replica) -> Look | None:
    """Look at a replica; None for one that is down."""
    try:
        return Look(replica.memory(), await replica.metrics())
    except (OSError, StopIteration):
        return None


def _leaks(canary: str, replicas: list[Replica], looks: list[Look | None]) -> Counter[str]:
    """Where the canary shows up outside of replies."""
    leaks: Counter[str] = Counter()
    for replica, look in zip(replicas, looks, strict=True):
        leaks["log"] += replica.log.read_text(errors="replace").count(canary)
        leaks["metrics"] += look.page.count(canary) if look else 0
    return leaks
