"""More calls than a connector has threads: they are refused without effect on others, and the service can stop."""

# A connector that blocks is what is tested.
# ruff: noqa: ASYNC251

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import Phase

from tests.fakes.fake import FakeConnector, FakeMeta, PlainConnector
from tests.fakes.job_service import JobService, until
from tests.fakes.serve_process import FAKE, serving
from tests.service.client import Client, refusal
from tests.service.hosting import hosting

pytestmark = pytest.mark.alone

THREADS, BACKLOG = 2, 3


class Stuck:
    """Calls that wait until the test lets them go on."""

    go_on = threading.Event()

    @classmethod
    def wait(cls) -> None:
        cls.go_on.wait(20)


@pytest.fixture(autouse=True)
def _unstuck() -> Iterator[None]:
    Stuck.go_on.clear()
    yield
    Stuck.go_on.set()


class StuckInThreads(FakeConnector):
    """Its create waits in a thread."""

    name = "Stuck Threads"
    task_type_name = "stuck_threads"

    def create(self, **arguments: Any) -> FakeMeta:
        """Wait, then submit."""
        Stuck.wait()
        return asyncio.run(FakeConnector.create(self, **arguments))


class StuckOnALoop(FakeConnector):
    """Its get waits in a coroutine, on the loop that it was moved to."""

    name = "Stuck Loop"
    task_type_name = "stuck_loop"
    waits = False

    async def get(self, **arguments: Any) -> Any:
        """Block: shortly until it has been noticed, then until the test lets go."""
        if StuckOnALoop.waits:
            Stuck.wait()
        else:
            time.sleep(0.3)
        return await super().get(**arguments)


async def test_a_full_queue_refuses_a_create(jobs: JobService) -> None:
    """RESOURCE_EXHAUSTED within the caller's time; what was taken is done, what was refused is not."""
    async with (
        hosting(connectors=[StuckInThreads], threads=THREADS, backlog=BACKLOG) as service,
        Client(service.address) as client,
        Client(service.address, deadline=1) as impatient,
    ):
        taken = [asyncio.ensure_future(client.create("stuck_threads", run=f"r{n}")) for n in range(THREADS + BACKLOG)]
        await until(lambda: service._guard.busy_threads == THREADS + BACKLOG, "the full queue")
        began = time.monotonic()
        code, text = await refusal(impatient.create("stuck_threads", run="refused"))
        assert time.monotonic() - began < 1
        assert code == "RESOURCE_EXHAUSTED"
        assert text == "Stuck Threads has 5 calls waiting: try again later"
        Stuck.go_on.set()
        await asyncio.gather(*taken)
    assert len(jobs.jobs) == THREADS + BACKLOG


async def test_a_full_queue_is_nobody_elses(jobs: JobService) -> None:
    """Other connectors, in coroutines and threads, the list of connectors and health go on."""
    connectors = [StuckInThreads, FakeConnector, PlainConnector]
    async with (
        hosting(connectors=connectors, threads=THREADS, backlog=BACKLOG) as service,
        Client(service.address) as client,
    ):
        taken = [asyncio.ensure_future(client.create("stuck_threads", run=f"r{n}")) for n in range(THREADS + BACKLOG)]
        await until(lambda: service._guard.busy_threads == THREADS + BACKLOG, "the full queue")

        async def others() -> None:
            for task_type in ("fake_job", "fake_plain"):
                job = await client.create(task_type, run="other")
                assert (await job.get()).phase == Phase.SUCCEEDED
                await job.delete()
            assert await client.status()

        await asyncio.wait_for(others(), 5)
        Stuck.go_on.set()
        await asyncio.gather(*taken)


async def test_a_stuck_loop_of_its_own_is_bounded_too(jobs: JobService) -> None:
    """Polls of a connector that blocks for good are refused, and others go on."""
    connectors = [StuckOnALoop, FakeConnector]
    StuckOnALoop.waits = False
    async with (
        hosting(connectors=connectors, threads=THREADS, backlog=BACKLOG, transient_errors="raise") as service,
        Client(service.address) as client,
    ):
        job = await client.create("stuck_loop")
        other = await client.create(run="other")
        await job.get()
        lanes = service._guard._lanes
        await until(lambda: any(lane.loop for lane in lanes.values()), "the isolation")
        StuckOnALoop.waits = True
        taken = [asyncio.ensure_future(job.get()) for _ in range(THREADS + BACKLOG)]
        (loop,) = (lane.loop for lane in lanes.values() if lane.loop)
        await until(lambda: loop._begun - loop._ended == THREADS + BACKLOG, "the full queue")
        code, text = await refusal(job.get())
        assert code == "RESOURCE_EXHAUSTED"
        assert text == "Stuck Loop loop has 5 calls waiting: try again later"
        assert (await asyncio.wait_for(other.get(), 5)).phase == Phase.SUCCEEDED
        Stuck.go_on.set()
        await asyncio.gather(*taken)


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_busy_threads_do_not_outlive_the_grace_time(jobs: JobService, tmp_path: Path, verb: str) -> None:
    """A process whose threads are stuck ends in time all the same, with 0 and without a traceback."""
    arguments = ("--module", FAKE, "--grace", "0.5")
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            if verb == "create":
                stuck = client.create("fake_plain", custom={"hold": ["create"]})
            else:
                stuck = (await client.create("fake_plain", custom={"hold": ["get"]})).get()
            call = asyncio.ensure_future(stuck)
            await until(lambda: jobs.calls(verb), "the call to begin")
            began = time.monotonic()
            service.signal(signal.SIGTERM)
            assert await asyncio.to_thread(service.wait) == 0
            assert time.monotonic() - began < 0.5 + 2
            await asyncio.wait([call])
            assert call.exception() is not None
    assert "Traceback" not in service.log.read_text()
