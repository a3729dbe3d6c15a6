"""BigQuery's slowness is its own: another connector of the same service does not feel it.

What there is to feel is Python running in the vendor client's threads: 1 to 2 ms for each answer, more
for large ones, during which the service's loop waits for the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bed import core, service
from bed.calls import CONFIG, Calls, Job
from bed.proxy import Fault, endless
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors_bigquery import BigQueryTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bed.proxy import Front
    from bed.service import Service

NEIGHBOUR = Path(__file__).parent / "bed/neighbour.py"
IN_FLIGHT = 50
ROUNDS = 9
PAUSE_SECONDS = 1.0
"""Between two questions about one query: a local run makes 3 s of it, Flyte's back end 30 s."""

ANSWER_SECONDS = 0.3
STAGES = 300


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins processes as Linux does")
async def test_slow_queries_do_not_slow_a_neighbour(front: Front, tmp_path: Path) -> None:
    """50 large queries in flight: the neighbour's 99th percentile stays below 1.5 times its own.

    Rounds with and without queries alternate, and the middle one of their ratios counts. The service
    has one core; the stopwatch, the proxy and these lines have another. The jobs are real, but the
    proxy answers for them.
    """
    front.faults.append(Fault(endless(_large_plan, ANSWER_SECONDS), method="GET", path="/jobs/"))
    with (
        service.running(tmp_path, NEIGHBOUR) as served,
        _apart(served),
    ):
        of_service = core.threads(served.pid)
        async with _stopwatch(served.address) as p99, _queries(served.address) as asked:
            await _round(front, p99, asked)  # opens the connections
            # The loop runs as soon as it wakes, as on a machine with a core for each thread; all that
            # it waits for is the interpreter's lock.
            core.prefer(core.threads(served.pid) - of_service, 1)
            ratios = [await _round(front, p99, asked) for _ in range(ROUNDS)]
    assert statistics.median(ratios) <= 1.5, sorted(ratios)


async def _round(front: Front, p99: Any, asked: asyncio.Event) -> float:
    """The neighbour's 99th percentile with queries in flight, as a multiple of that without."""
    alone = await p99()
    asked.set()
    seen = len(front.calls)
    await asyncio.sleep(PAUSE_SECONDS)  # each query has been asked about
    together = await p99()
    assert len(front.calls) - seen >= 1.2 * IN_FLIGHT, "the queries were not in flight"
    asked.clear()
    await asyncio.sleep(2 * ANSWER_SECONDS)
    return together / alone


@contextlib.contextmanager
def _apart(served: Service) -> Iterator[None]:
    """Within this block the service and these lines have a core each, before everything else."""
    allowed = os.sched_getaffinity(0)
    core.pin(served.pid, 0)
    core.prefer(core.threads(served.pid), 2)
    core.pin(os.getpid(), 1)
    core.prefer(core.threads(os.getpid()), 1)
    try:
        yield
    finally:
        core.allow(os.getpid(), allowed)
        core.prefer(core.threads(os.getpid()), 0)


@contextlib.asynccontextmanager
async def _stopwatch(address: str) -> AsyncIterator[Any]:
    """A function that measures the neighbour's 99th percentile, in seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(NEIGHBOUR), address, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    core.prefer(core.threads(process.pid), 2)
    stdin, stdout = process.stdin, process.stdout

    async def p99() -> float:
        stdin.write(b"\n")
        return float(await stdout.readline())

    try:
        yield p99
    finally:
        stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def _queries(address: str) -> AsyncIterator[asyncio.Event]:
    """Within this block `IN_FLIGHT` queries run; while the event is set, they are asked about."""
    task = BigQueryTask(name="endless", query_template="SELECT 1", plugin_config=CONFIG)
    asked = asyncio.Event()
    async with RemoteService(address) as remote:
        calls = Calls(remote)
        jobs = await asyncio.gather(*(calls.create(task) for _ in range(IN_FLIGHT)))
        polls = [asyncio.create_task(_poll(job, asked)) for job in jobs]
        yield asked
        for poll in polls:
            assert not poll.done(), poll.exception()
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)


async def _poll(job: Job, asked: asyncio.Event) -> None:
    while True:
        await asked.wait()
        assert (await job.get()).phase not in TERMINAL_PHASES, "the query has ended"
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))


def _large_plan(job: dict[str, Any]) -> None:
    """Make the job look like a running one with hundreds of stages, of which BigQuery tells all."""
    job["status"] = {"state": "RUNNING"}
    steps = [{"kind": "READ", "substeps": ["$1:some_column, $2:other_column", "FROM __stage"]}] * 6
    job["statistics"]["query"]["queryPlan"] = [
        {"name": f"S{number:02}: Join+", "id": str(number), "status": "COMPLETE", "steps": steps}
        for number in range(STAGES)
    ]
