"""The end of a service process: SIGTERM, SIGINT, SIGHUP, twice, and clients that leave before it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from flyte_connectors.service.server import shutdown_signals

from tests.fakes.job_service import JobService, until
from tests.fakes.requests import create_request
from tests.fakes.serve_process import FAKE, ServeProcess, serving
from tests.service.client import OWN_CONNECTION, Client
from tests.service.hosting import TRANSPORT

pytestmark = pytest.mark.alone

GRACE_SECONDS = 8.0
CALLERS = 20


@pytest.fixture
def service(jobs: JobService, tmp_path: Path) -> Iterator[ServeProcess]:
    """A service process with the fake connectors."""
    arguments = ("--module", FAKE, "--grace", str(GRACE_SECONDS))
    with serving(*arguments, log=tmp_path / "log") as service:
        yield service


async def held_create(client: Client, jobs: JobService) -> asyncio.Future[object]:
    """A create that is in the middle of its work."""
    creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
    await until(lambda: jobs.calls("create"), "the create to begin")
    return creating


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_create_in_flight_is_finished_first(
    service: ServeProcess, jobs: JobService, number: signal.Signals
) -> None:
    """Its client gets the job; new calls are refused; the process exits with 0 in time."""
    late = Client(service.address, OWN_CONNECTION)
    async with Client(service.address) as client, late:
        creating = await held_create(client, jobs)
        service.signal(number)
        await until(lambda: not service.listens(), "the port to close")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await late.create(run="late")
        assert service.process.poll() is None
        jobs.release()
        await creating
    started = time.monotonic()
    assert await asyncio.to_thread(service.wait) == 0
    assert time.monotonic() - started < GRACE_SECONDS
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(jobs.jobs) == 1
    assert "Traceback" not in service.log.read_text()


async def test_a_call_that_has_arrived_is_taken(service: ServeProcess, jobs: JobService) -> None:
    """Of many that arrive without a pause, none is cancelled by the end: Flyte would retry its task."""
    codes: set[grpc.StatusCode] = set()
    started: list[str] = []
    calling = True

    async def create_many(name: str) -> None:
        async with Client(service.address) as client:
            while calling:
                run = f"{name}-{len(started)}"
                try:
                    await client.create(run=run)
                    started.append(run)
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())
                    await asyncio.sleep(0.01)

    callers = [asyncio.ensure_future(create_many(f"caller-{n}")) for n in range(CALLERS)]
    await until(lambda: len(started) > CALLERS * 5, "many calls")
    service.signal(signal.SIGTERM)
    assert await asyncio.to_thread(service.wait) == 0
    await asyncio.sleep(0.1)  # now all of them see that it is gone
    calling = False
    await asyncio.gather(*callers)
    assert codes == {grpc.StatusCode.UNAVAILABLE}
    assert len(jobs.jobs) == len(started)
    assert "Traceback" not in service.log.read_text()


async def test_a_create_whose_client_has_left_is_finished_first(service: ServeProcess, jobs: JobService) -> None:
    """Cancelled, and then the signal: the job is started and recorded all the same."""
    async with Client(service.address) as client:
        creating = await held_create(client, jobs)
        creating.cancel()
        await until(lambda: "has disconnected" in service.log.read_text(), "the cancellation")
        service.signal(signal.SIGTERM)
        await until(lambda: "draining" in service.log.read_text(), "the drain")
        jobs.release()
        assert await asyncio.to_thread(service.wait) == 0
    assert len(jobs.jobs) == 1


async def test_a_second_signal_ends_at_once(service: ServeProcess, jobs: JobService) -> None:
    """Who presses Ctrl-C twice does not wait for the grace time."""
    async with Client(service.address) as client:
        creating = await held_create(client, jobs)
        service.signal(signal.SIGINT)
        await until(lambda: "draining" in service.log.read_text(), "the drain")
        started = time.monotonic()
        service.signal(signal.SIGINT)
        await asyncio.to_thread(service.wait)
        assert time.monotonic() - started < GRACE_SECONDS / 2
        with pytest.raises(grpc.aio.AioRpcError):
            await creating
    assert "Traceback" not in service.log.read_text()


async def test_what_outlasts_the_grace_time_is_named(jobs: JobService, tmp_path: Path) -> None:
    """The process ends nevertheless, and its log says how many creates were cut off."""
    arguments = ("--module", FAKE, "--grace", "0.3")
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            creating = await held_create(client, jobs)
            started = time.monotonic()
            service.signal(signal.SIGTERM)
            assert await asyncio.to_thread(service.wait) == 0
            assert time.monotonic() - started < 5
            with pytest.raises(grpc.aio.AioRpcError):
                await creating
    assert "1 creates were still running" in service.log.read_text()


def test_what_nohup_ignores_stays_ignored() -> None:
    """SIGHUP ends nothing that was told to survive its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in shutdown_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in shutdown_signals()


@pytest.mark.parametrize("leaves_by", ["cancelling", "its deadline"])
@pytest.mark.parametrize("task_type", ["fake_job", "fake_plain"])
async def test_a_started_create_finishes_although_its_caller_leaves(
    client: Client, jobs: JobService, leaves_by: str, task_type: str
) -> None:
    """The job is there, once, for the replay that will come."""
    plan = {"hold": ["create"]}
    request = create_request(task_type, custom=plan)
    deadline = None if leaves_by == "cancelling" else 0.2
    call = client.jobs.CreateTask(request, timeout=deadline)
    waiting = asyncio.ensure_future(_result(call, leaves_by))
    await until(lambda: jobs.calls("create"), "the create to begin")
    if leaves_by == "cancelling":
        call.cancel()
    await waiting
    assert jobs.jobs == []
    jobs.release()
    await until(lambda: jobs.jobs, "the job")
    replayed = await client.send(request)
    assert len(jobs.jobs) == 1
    assert (await replayed.get()).phase


async def _result(call: grpc.aio.UnaryUnaryCall, leaves_by: str) -> None:
    if leaves_by == "its deadline" and TRANSPORT == "asgi":
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call  # some are answered, a little before the deadline
        return
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await call
