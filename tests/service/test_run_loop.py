"""The loop that runs a task: the same here, through the shared call path, and on a service."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyte_connectors import run
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.client import log_following
from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.job_loop import RunObserver, RunPolicy, run_job
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import ConnectorError, InvalidRequestError, TaskFailedError
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from tests.fakes.fake import CONNECTORS
from tests.fakes.job_service import JobService, until
from tests.fakes.requests import create_request
from tests.fakes.tasks import FakeTask
from tests.service.hosting import hosting


@pytest.fixture(params=["local", "remote"])
async def driven(request: pytest.FixtureRequest, jobs: JobService) -> AsyncIterator[ConnectorClient]:
    """Where the connectors are: in this process, or behind a socket."""
    if request.param == "remote":
        async with hosting() as service, RemoteService(service.address) as remote:
            yield remote
        return
    registry = Registry()
    for connector in CONNECTORS:
        registry.register(connector)
    guard = CallGuard()
    yield Dispatcher(registry, guard, local=True)
    await guard.drain(5)


class Log(RunObserver):
    """Keeps the lines of a run's log."""

    wants_logs = True

    def __init__(self) -> None:
        self.lines: list[str] = []

    def logged(self, line: LogLine) -> None:
        """A line has come."""
        self.lines.append(line.message)


def failing(verb: str, error: str, times: int) -> dict[str, Any]:
    """A plan by which a verb fails at first."""
    return {"fail": {verb: {"error": error, "text": "passing", "times": times}}}


async def test_outputs_come_by_name(driven: ConnectorClient) -> None:
    """In the order that the task declares, whatever order the connector gave them in."""
    custom = {"outputs": {"b": 2, "a": 1}}
    request = create_request(custom=custom, outputs={"a": int, "b": int})
    resource = await run_job(driven, request)
    values = [(out.name, out.value.scalar.primitive.integer) for out in resource.outputs.literals]
    assert values == [("a", 1), ("b", 2)]


async def test_a_job_that_is_done_ends_the_run_at_once(driven: ConnectorClient) -> None:
    """No pause after the end."""
    started = time.monotonic()
    await run_job(driven, create_request())
    assert time.monotonic() - started < 1


async def test_a_retryable_failure_is_tried_again(driven: ConnectorClient, jobs: JobService) -> None:
    """Each attempt is a separate job; after the last one its reason is reported."""
    request = create_request(custom={"phase": "RETRYABLE_FAILED", "message": "machine lost"})
    with pytest.raises(TaskFailedError, match="retryable_failed: machine lost"):
        await run_job(driven, request, RunPolicy(retries=2))
    assert len(jobs.jobs) == 3


async def test_without_retries_there_is_one_attempt(driven: ConnectorClient, jobs: JobService) -> None:
    """A retryable failure never polls for ever."""
    with pytest.raises(TaskFailedError):
        await run_job(driven, create_request(custom={"phase": "RETRYABLE_FAILED"}))
    assert len(jobs.jobs) == len(jobs.calls("get")) == 1


@pytest.mark.parametrize("phase", ["FAILED", "ABORTED"])
async def test_a_permanent_failure_is_final(driven: ConnectorClient, jobs: JobService, phase: str) -> None:
    """With the job's own words."""
    request = create_request(custom={"phase": phase, "message": "division by zero"})
    with pytest.raises(TaskFailedError, match=f"{phase.lower()}: division by zero"):
        await run_job(driven, request, RunPolicy(retries=5))
    assert len(jobs.jobs) == 1


async def test_the_timeout_cancels_the_job(driven: ConnectorClient, jobs: JobService) -> None:
    """And says so."""
    request = create_request(custom={"phase": "RUNNING"})
    with pytest.raises(TaskFailedError, match=r"timed out after 0.2 s; its job was cancelled"):
        await run_job(driven, request, RunPolicy(timeout=0.2))
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


async def test_cancelling_the_run_cancels_the_job(driven: ConnectorClient, jobs: JobService) -> None:
    """The caller waits for that."""
    running = asyncio.ensure_future(run_job(driven, create_request(custom={"phase": "RUNNING"})))
    await until(lambda: jobs.calls("get"), "the first poll")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


async def test_cancelling_during_create_leaves_no_job(driven: ConnectorClient, jobs: JobService) -> None:
    """The create is finished, and its job then deleted."""
    custom = {"phase": "RUNNING", "hold": ["create"]}
    running = asyncio.ensure_future(run_job(driven, create_request(custom=custom)))
    await until(lambda: jobs.calls("create"), "the create to begin")
    running.cancel()
    await asyncio.sleep(0)
    jobs.release()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [jobs.job(key)["phase"] for key in jobs.jobs] == ["ABORTED"]


@pytest.mark.parametrize("error", ["ServiceUnavailableError", "RateLimitedError", "ValueError"])
@pytest.mark.parametrize("verb", ["create", "get"])
async def test_a_passing_fault_does_not_end_the_run(
    driven: ConnectorClient, jobs: JobService, verb: str, error: str
) -> None:
    """The call is tried again, and there is one job."""
    await run_job(driven, create_request(custom=failing(verb, error, times=2)))
    assert len(jobs.jobs) == 1


async def test_a_fault_of_delete_does_not_leave_the_job_running(driven: ConnectorClient, jobs: JobService) -> None:
    """It is tried again, too."""
    custom = {"phase": "RUNNING", **failing("delete", "ServiceUnavailableError", times=2)}
    with pytest.raises(TaskFailedError, match="timed out"):
        await run_job(driven, create_request(custom=custom), RunPolicy(timeout=0.1))
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


async def test_a_bad_request_is_not_tried_again(driven: ConnectorClient, jobs: JobService) -> None:
    """Its error says the same on both ways."""
    request = create_request(inputs={"n": 3})
    del request.inputs.literals[:]
    with pytest.raises(InvalidRequestError, match=r"^inputs.n: missing"):
        await run_job(driven, request)
    assert jobs.jobs == []


async def test_an_unknown_task_type_lists_those_that_are_known(driven: ConnectorClient) -> None:
    """On both ways."""
    with pytest.raises(ConnectorError, match=r"no connector for task type 'nothing'.*'fake_job'"):
        await run_job(driven, create_request("nothing"))


async def test_a_job_that_vanishes_is_tried_again(driven: ConnectorClient, jobs: JobService) -> None:
    """A lost job is a retryable failure."""
    running = asyncio.ensure_future(run_job(driven, create_request(custom={"phase": "RUNNING"}), RunPolicy(retries=1)))
    await until(lambda: jobs.calls("get"), "the first poll")
    jobs.forget(jobs.jobs[0])
    await until(lambda: jobs.jobs, "the second attempt")
    jobs.update(jobs.jobs[0], phase="SUCCEEDED")
    await running
    assert len(set(jobs.calls("create"))) == 2


async def test_each_log_line_is_shown_once(driven: ConnectorClient, jobs: JobService) -> None:
    """Also those that come while nobody reads, and those after the last page token."""
    log = Log()
    running = asyncio.ensure_future(
        run_job(driven, create_request(custom={"phase": "RUNNING", "log": ["one"]}), observer=log)
    )
    await until(lambda: log.lines == ["one"], "the first line")
    lines = [str(number) for number in range(250)]
    jobs.update(jobs.jobs[0], log=["one", *lines])
    await until(lambda: len(log.lines) == 251, "the next lines")
    jobs.update(jobs.jobs[0], log=["one", *lines, "last"], phase="SUCCEEDED")
    await running
    assert log.lines == ["one", *lines, "last"]


@pytest.mark.parametrize("error", ["ServiceUnavailableError", "PermissionDeniedError"])
async def test_a_log_that_cannot_be_read_does_not_fail_the_run(
    driven: ConnectorClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
) -> None:
    """The job has run, whatever its log is like."""
    monkeypatch.setattr(log_following, "_LONGEST_LAST_LINES", 2.0)
    custom = {"log": ["one"], **failing("get_logs", error, times=10**6)}
    with caplog.at_level(logging.WARNING):
        assert (await run_job(driven, create_request(custom=custom), observer=Log())).phase


async def test_many_runs_share_one_loop(driven: ConnectorClient, jobs: JobService) -> None:
    """A hundred at once, each with its own outputs."""
    requests = [create_request(run=f"r{n}", inputs={"n": n}, outputs={"n": int}) for n in range(100)]
    resources = await asyncio.gather(*(run_job(driven, request) for request in requests))
    numbers = [r.outputs.literals[0].value.scalar.primitive.integer for r in resources]
    assert numbers == list(range(100))


async def test_a_create_that_must_not_be_repeated_is_not(driven: ConnectorClient, jobs: JobService) -> None:
    """FAILED_PRECONDITION is neither transient nor unexpected."""
    plan = {"fail": {"create": {"error": "RegistrationError", "text": "never again", "times": 9}}}
    with pytest.raises(ConnectorError, match="never again"):
        await run_job(driven, create_request(custom=plan))
    assert len(jobs.calls("create")) == 1


@pytest.mark.usefixtures("jobs")
async def test_a_task_runs_on_a_service_from_code_too() -> None:
    """`run.on` is to a program what `run --endpoint` is on the command line."""
    task = FakeTask("there", outputs={"answer": int}, plan={"outputs": {"answer": 42}})
    async with hosting() as service:
        from_async_code = await run.on(service.address).aio(task)
        from_plain_code = await asyncio.to_thread(run.on(service.address), task)
    assert from_async_code.outputs() == from_plain_code.outputs() == 42
    assert from_async_code.name != from_plain_code.name
