"""A connector that blocks the loop is felt by others once at most."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest

from tests.fakes.fake import BLOCK_SECONDS
from tests.fakes.job_service import JobService, until
from tests.fakes.serve_process import FAKE, serving
from tests.service.client import Client, Job

pytestmark = pytest.mark.alone

READS = 50


async def latencies(job: Job) -> list[float]:
    """Seconds that reads of a job take, one after the other."""
    seconds = []
    for _ in range(READS):
        started = time.perf_counter()
        await job.get()
        seconds.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    return seconds


async def test_another_connectors_reads_do_not_wait_for_one_that_blocks(jobs: JobService, tmp_path: Path) -> None:
    """Once it was caught, ten blocking creates cost the neighbour next to nothing."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            job = await client.create("fake_bare", version=2)
            await client.create("fake_blocking", run="caught")
            await until(lambda: "blocked the event loop" in service.log.read_text(), "the warning")
            creates = [client.create("fake_blocking", run=f"r{n}") for n in range(10)]
            blocking = asyncio.gather(*creates)
            seconds = await latencies(job)
            assert not blocking.done()
            await blocking
    assert statistics.median(seconds) < BLOCK_SECONDS / 4
    assert sum(second > BLOCK_SECONDS * 0.9 for second in seconds) <= 1
    warning = service.log.read_text()
    assert "Blocking Connector blocked the event loop" in warning
    assert "create" in warning
    assert "fake.py" in warning
    assert warning.count("blocked the event loop") == 1


async def test_plain_functions_never_block_the_loop(client: Client, jobs: JobService) -> None:
    """Held plain creates wait in threads of their own; coroutines go on."""
    held = [
        asyncio.ensure_future(client.create("fake_plain", run=f"r{n}", custom={"hold": ["create"]})) for n in range(8)
    ]
    await until(lambda: len(jobs.calls("create")) == 8, "the creates to begin")
    await asyncio.wait_for(client.create(run="free"), 5)
    jobs.release()
    await asyncio.gather(*held)
    assert len(jobs.jobs) == 9
