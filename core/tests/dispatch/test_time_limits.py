"""The time limits of tasks: sealed at create, enforced by every poll and between polls."""

from __future__ import annotations

import asyncio
import datetime
import time

import pytest
from fake_jobs import JobService, create_request, get_request, template, until
from flyte_connectors import Phase, Resource
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch import time_limits
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import InvalidResourceMetaError, ServiceUnavailableError
from flyteidl2.connector import connector_pb2 as pb

TEXT = "the job exceeded the task's time limit of 60 s and was cancelled"


def request_with(seconds: float, *, deadline: float = 0.0) -> pb.CreateTaskRequest:
    """A request of a task with a time limit."""
    request = create_request(template())
    request.template.metadata.timeout.FromTimedelta(datetime.timedelta(seconds=seconds))
    if deadline:
        strategy = request.template.metadata.timeouts
        strategy.deadline.FromTimedelta(datetime.timedelta(seconds=deadline))
    return request


@pytest.fixture
def dispatcher(registry: Registry, guard: CallGuard) -> Dispatcher:
    return Dispatcher(registry, guard, faults=TransientFaults(lost_after=600))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the wall clock is ahead of the real one."""
    ahead, real = [0.0], time.time
    monkeypatch.setattr(time_limits.time, "time", lambda: real() + sum(ahead))
    return ahead


async def meta_of(dispatcher: Dispatcher, seconds: float = 60.0) -> bytes:
    """A job that runs, of a task with a time limit."""
    return bytes((await dispatcher.create(request_with(seconds))).resource_meta)


async def polled(dispatcher: Dispatcher, meta: bytes) -> pb.Resource:
    return (await dispatcher.get(get_request(meta), 10)).resource


async def test_a_job_that_exceeds_its_limit_is_cancelled_and_failed(
    dispatcher: Dispatcher, service: JobService, later: list[float]
) -> None:
    """Before that it is left alone; afterwards it stays failed, whatever its connector says."""
    service.states = [Resource(Phase.RUNNING)]
    meta = await meta_of(dispatcher)
    later.append(59)
    assert (await polled(dispatcher, meta)).phase == Phase.RUNNING
    later.append(2)
    for state in (Phase.RUNNING, Phase.ABORTED, Phase.ABORTED):
        service.states = [Resource(state)]
        resource = await polled(dispatcher, meta)
        assert (resource.phase, resource.message) == (Phase.FAILED, TEXT)
    assert len(service.deleted) == 1


async def test_any_replica_enforces_it(
    dispatcher: Dispatcher, registry: Registry, service: JobService, later: list[float]
) -> None:
    """The limit is in the meta, and counts from the first create."""
    service.states = [Resource(Phase.RUNNING)]
    meta = await meta_of(dispatcher)
    later.append(61)
    guard = CallGuard()
    other = Dispatcher(registry, guard)
    assert (await polled(other, meta)).message == TEXT
    await guard.drain(5)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.RETRYABLE_FAILED])
async def test_a_job_that_has_ended_by_itself_keeps_its_end(
    dispatcher: Dispatcher, service: JobService, later: list[float], phase: int
) -> None:
    """Nobody asked in time; its work is not thrown away."""
    service.states = [Resource(phase, "its own")]
    meta = await meta_of(dispatcher)
    later.append(3600)
    assert (await polled(dispatcher, meta)).message == "its own"
    assert not service.deleted


async def test_it_is_enforced_while_nobody_polls(dispatcher: Dispatcher, service: JobService) -> None:
    """By a timer of the replica that has created the job, or polled it last."""
    service.states = [Resource(Phase.RUNNING)]
    await meta_of(dispatcher, 0.3)
    await until(lambda: service.deleted, 5)


async def test_a_replica_that_was_restarted_enforces_what_it_meets(
    dispatcher: Dispatcher, registry: Registry, service: JobService
) -> None:
    """Timers die with their process: one poll starts the next."""
    service.states = [Resource(Phase.RUNNING)]
    meta = await meta_of(dispatcher, 1.0)
    dispatcher._timers.stop(meta)
    guard = CallGuard()
    await polled(Dispatcher(registry, guard), meta)
    await until(lambda: service.deleted, 5)
    await guard.drain(5)


async def test_a_job_that_has_ended_has_no_timer(dispatcher: Dispatcher, service: JobService) -> None:
    """5,000 are kept at most."""
    service.states = [Resource(Phase.RUNNING), Resource(Phase.SUCCEEDED)]
    meta = await meta_of(dispatcher)
    assert list(dispatcher._timers._tasks) == [meta]
    await polled(dispatcher, meta)
    assert list(dispatcher._timers._tasks) == [meta]
    await polled(dispatcher, meta)
    assert not dispatcher._timers._tasks


async def test_a_job_that_cannot_be_cancelled_yet_is_tried_again(
    dispatcher: Dispatcher, service: JobService, later: list[float]
) -> None:
    """GetTask answers with no error, which Flyte would count."""
    service.states = [Resource(Phase.RUNNING)]
    meta = await meta_of(dispatcher)
    later.append(61)
    service.faults["get"] = [ServiceUnavailableError("down") for _ in range(99)]
    service.faults["delete"] = [ServiceUnavailableError("down") for _ in range(99)]
    resource = (await dispatcher.get(get_request(meta), 0.5)).resource
    assert resource.phase == Phase.RUNNING
    service.faults["delete"] = []
    assert (await polled(dispatcher, meta)).message == TEXT


async def test_a_slow_create_counts_from_its_beginning(
    dispatcher: Dispatcher, service: JobService, later: list[float]
) -> None:
    """A meta that holds the request holds the limit, too."""
    go_on = asyncio.Event()
    service.before["create"] = go_on.wait
    service.states = [Resource(Phase.RUNNING)]
    reply = await dispatcher.create(request_with(60), 0.2)
    assert unseal(reply.resource_meta, "fake_job").request
    go_on.set()
    await until(lambda: service.jobs, 5)
    assert (await polled(dispatcher, reply.resource_meta)).phase == Phase.RUNNING
    later.append(61)
    assert (await polled(dispatcher, reply.resource_meta)).message == TEXT


def test_the_shortest_limit_counts() -> None:
    """Flyte has two fields for it; zero is none."""
    limit = time_limits.limit_of(request_with(60, deadline=5).template)
    assert limit is not None
    assert limit[0] == 5
    assert time_limits.limit_of(request_with(0).template) is None
    assert time_limits.limit_of(template()) is None


async def test_a_local_run_has_limits_of_its_own(registry: Registry, guard: CallGuard, service: JobService) -> None:
    """They count one attempt, and end it from outside."""
    local = Dispatcher(registry, guard, local=True)
    reply = await local.create(request_with(1))
    assert unseal(reply.resource_meta, "fake_job").limit is None


def test_a_forged_limit_is_refused() -> None:
    """A client can compute the checksum."""
    for limit in (("x", 1.0), (1.0,), (1.0, None), 3, (1.0, float("nan")), (-1.0, 1.0)):
        data = seal(Envelope(b"meta", limit=limit), "t")  # type: ignore[arg-type]
        with pytest.raises(InvalidResourceMetaError):
            unseal(data, "t")
