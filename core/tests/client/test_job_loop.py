"""The loop of a run: to the end, with new attempts, and without a job left behind."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

import pytest
from fake_jobs import (
    JobService,
    create_request,
    delete_request,
    logs_request,
    template,
    until,
)
from flyte_connectors import Phase, Resource
from flyte_connectors._calls.context import current
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.cancelling import cancel_job
from flyte_connectors.client.job_loop import RunObserver, RunPolicy, run_job
from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.errors import (
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
    TaskFailedError,
)
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

QUICK = RunPolicy(give_up_after=0.5, longest_poll=0.02)


class Watcher(RunObserver):
    def __init__(self, *, wants_logs: bool = False) -> None:
        self.created_jobs: list[bytes] = []
        self.phases: list[int] = []
        self.lines: list[str] = []
        self.wants_logs = wants_logs

    def created(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> None:
        self.created_jobs.append(resource_meta)

    def polled(self, resource: pb.Resource) -> None:
        self.phases.append(resource.phase)

    def logged(self, line: LogLine) -> None:
        self.lines.append(line.message)


@pytest.fixture
def client(registry: Registry, guard: CallGuard) -> Dispatcher:
    """The connectors of this process, as a local run has them."""
    return Dispatcher(registry, guard, local=True)


class TestEnds:
    """How jobs end."""

    async def test_a_job_is_seen_through(self, client: Dispatcher, service: JobService) -> None:
        """The observer hears of every step; a job that has ended is not deleted."""
        service.states = [
            Resource(Phase.QUEUED),
            Resource(Phase.RUNNING),
            Resource(Phase.SUCCEEDED, outputs={"n": 3}),
        ]
        watcher = Watcher()
        request = create_request(template(outputs={"n": int}))
        resource = await run_job(client, request, QUICK, watcher)
        assert resource.outputs.literals[0].name == "n"
        assert watcher.phases == [Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED]
        assert len(watcher.created_jobs) == 1
        assert not service.deleted

    async def test_between_its_polls_a_run_belongs_to_no_call(self, client: Dispatcher, service: JobService) -> None:
        """What names a call is not kept for each of very many waiting runs."""
        service.states = [Resource(Phase.RUNNING), Resource(Phase.SUCCEEDED)]

        class Here(Watcher):
            def polled(self, resource: pb.Resource) -> None:
                super().polled(resource)
                assert current not in contextvars.copy_context()

        watcher = Here()
        await run_job(client, create_request(template()), QUICK, watcher)
        assert watcher.phases == [Phase.RUNNING, Phase.SUCCEEDED]

    async def test_a_job_that_is_done_is_not_waited_for(self, client: Dispatcher, service: JobService) -> None:
        """No pause after the end."""
        began = time.perf_counter()
        await run_job(client, create_request(), RunPolicy())
        assert time.perf_counter() - began < 0.5

    @pytest.mark.parametrize("phase", [Phase.FAILED, Phase.ABORTED])
    async def test_a_failure_tells_the_connectors_reason(
        self, client: Dispatcher, service: JobService, phase: Phase
    ) -> None:
        """It is final, whatever retries are left."""
        service.states = [Resource(phase, "no such table")]
        with pytest.raises(TaskFailedError, match=f"task 'count' {phase.name.lower()}: no such table") as caught:
            await run_job(client, create_request(), RunPolicy(retries=3, longest_poll=0.02))
        assert caught.value.phase == phase.name
        assert service.calls["create"] == 1

    async def test_a_failure_without_a_reason_says_so(self, client: Dispatcher, service: JobService) -> None:
        """Better than an empty text."""
        service.states = [Resource(Phase.FAILED)]
        with pytest.raises(TaskFailedError, match="the job ended FAILED without a message"):
            await run_job(client, create_request(), QUICK)

    async def test_no_phase_at_all_ends_the_run(self) -> None:
        """UNDEFINED is not polled for ever."""

        class Undefined:
            deleted = 0

            async def create(self, *_: Any) -> pb.CreateTaskResponse:
                return pb.CreateTaskResponse(resource_meta=b"m")

            async def get(self, *_: Any) -> pb.GetTaskResponse:
                return pb.GetTaskResponse(resource=pb.Resource())

        with pytest.raises(TaskFailedError, match="the connector reported no phase"):
            await run_job(Undefined(), create_request(), QUICK)  # type: ignore[arg-type]


class TestRetries:
    """New attempts."""

    async def test_a_retryable_failure_is_a_new_job(self, client: Dispatcher, service: JobService) -> None:
        """Each attempt has a key of its own."""
        service.states = [Resource(Phase.RETRYABLE_FAILED, "spot"), Resource(Phase.SUCCEEDED)]
        await run_job(client, create_request(), RunPolicy(retries=1, longest_poll=0.02))
        assert [key.split("-")[2] for key in service.jobs] == ["0", "1"]

    async def test_attempts_are_limited(self, client: Dispatcher, service: JobService) -> None:
        """RETRYABLE_FAILED does not go on for ever."""
        service.states = [Resource(Phase.RETRYABLE_FAILED, "spot")]
        with pytest.raises(TaskFailedError, match="retryable_failed: spot") as caught:
            await run_job(client, create_request(), RunPolicy(retries=2, longest_poll=0.02))
        assert caught.value.phase == "RETRYABLE_FAILED"
        assert len(service.jobs) == 3

    async def test_a_lost_job_is_a_retryable_failure(self, client: Dispatcher, service: JobService) -> None:
        """A new attempt replaces it."""
        service.faults["get"] = [JobNotFoundError("reaped")]
        await run_job(client, create_request(), RunPolicy(retries=1, longest_poll=0.02))
        assert len(service.jobs) == 2


class TestPassingFaults:
    """What goes away by itself."""

    @pytest.mark.parametrize("verb", ["create", "get"])
    async def test_they_are_waited_for(self, client: Dispatcher, service: JobService, verb: str) -> None:
        """One transient error fails no task, and no job is started twice."""
        service.faults[verb] = [
            ServiceUnavailableError("away"),
            RateLimitedError("slow down"),
            RuntimeError("the HTTP client's"),
        ]
        await run_job(client, create_request(), RunPolicy(give_up_after=10, longest_poll=0.02))
        assert len(service.jobs) == 1

    async def test_patience_ends(self, client: Dispatcher, service: JobService) -> None:
        """Then the error is the run's, and the job is deleted."""
        service.faults["get"] = [ServiceUnavailableError("away") for _ in range(100)]
        with pytest.raises(ServiceUnavailableError):
            await run_job(client, create_request(), RunPolicy(give_up_after=0.3))
        assert len(service.deleted) == 1

    async def test_an_unforeseen_error_is_not_tried_for_ever(self, client: Dispatcher, service: JobService) -> None:
        """A bug stays one."""
        service.faults["get"] = [RuntimeError("bug") for _ in range(100)]
        with pytest.raises(InternalError):
            await run_job(client, create_request(), RunPolicy(give_up_after=60))
        assert service.calls["get"] == 6
        assert len(service.deleted) == 1

    async def test_lasting_errors_are_told_at_once(self, client: Dispatcher, service: JobService) -> None:
        """Trying again would not help."""
        service.faults["create"] = [PermissionDeniedError("not yours")]
        with pytest.raises(PermissionDeniedError):
            await run_job(client, create_request(), RunPolicy(give_up_after=60))
        assert service.calls["create"] == 1
        assert not service.calls["delete"]

    async def test_a_bad_request_starts_nothing(self, client: Dispatcher, service: JobService) -> None:
        """Nor is it tried again."""
        with pytest.raises(InvalidRequestError):
            await run_job(client, create_request(template({"n": int})), QUICK)
        assert not service.calls


class TestLeaving:
    """No job stays behind."""

    @pytest.fixture
    def running(self, service: JobService) -> JobService:
        service.states = [Resource(Phase.RUNNING)]
        return service

    async def test_a_timeout_deletes_the_job(self, client: Dispatcher, running: JobService) -> None:
        """And says how long it had."""
        policy = RunPolicy(timeout=0.1, longest_poll=0.02)
        with pytest.raises(TaskFailedError, match=r"timed out after 0\.1 s; its job was cancelled") as caught:
            await run_job(client, create_request(), policy)
        assert caught.value.phase == "TIMED_OUT"
        assert running.deleted == list(running.jobs)

    async def test_a_cancelled_run_deletes_its_job(self, client: Dispatcher, running: JobService) -> None:
        """Before it is over."""
        run = asyncio.ensure_future(run_job(client, create_request(), QUICK))
        await until(lambda: running.calls["get"])
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert running.deleted == list(running.jobs)

    async def test_an_impatient_user_deletes_it_too(self, client: Dispatcher, running: JobService) -> None:
        """Cancelling again and again does not cut the deletion off."""
        go_on = asyncio.Event()
        running.before["delete"] = go_on.wait
        run = asyncio.ensure_future(run_job(client, create_request(), QUICK))
        await until(lambda: running.calls["get"])
        for _ in range(3):
            run.cancel()
            await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert running.deleted == list(running.jobs)

    @pytest.mark.parametrize("times", [1, 3])
    async def test_leaving_during_create_deletes_what_it_started(
        self, client: Dispatcher, running: JobService, times: int
    ) -> None:
        """The create is finished first, however often the run is cancelled."""
        go_on = asyncio.Event()
        running.before["create"] = go_on.wait
        run = asyncio.ensure_future(run_job(client, create_request(), QUICK))
        await until(lambda: running.calls["create"])
        for _ in range(times):
            run.cancel()
            await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        await until(lambda: running.jobs)
        assert running.deleted == list(running.jobs)

    async def test_a_failing_delete_is_tried_again(self, client: Dispatcher, running: JobService) -> None:
        """A transient error at the end leaves no job either."""
        running.faults["delete"] = [ServiceUnavailableError("away")]
        run = asyncio.ensure_future(run_job(client, create_request(), RunPolicy(give_up_after=10)))
        await until(lambda: running.calls["get"])
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert len(running.deleted) == 1

    async def test_a_delete_that_fails_for_good_is_logged(
        self, client: Dispatcher, running: JobService, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Somebody has to look after the job."""
        running.faults["delete"] = [PermissionDeniedError("not yours")]
        run = asyncio.ensure_future(run_job(client, create_request(), QUICK))
        await until(lambda: running.calls["get"])
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert "the job of 'count' is NOT cancelled: not yours" in caplog.text

    async def test_a_broken_observer_leaves_no_job(self, client: Dispatcher, running: JobService) -> None:
        """A closed terminal, for example."""

        class Broken(Watcher):
            def polled(self, resource: pb.Resource) -> None:
                raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            await run_job(client, create_request(), QUICK, Broken())
        assert len(running.deleted) == 1


class TestLogs:
    """A job's log lines, while it runs."""

    async def test_they_are_emitted_once_and_in_order(self, client: Dispatcher, service: JobService) -> None:
        """Those before the start, those that appear, and those of the last moment."""
        service.lines = [f"line {number}" for number in range(25)]
        service.states = [Resource(Phase.RUNNING)] * 3 + [Resource(Phase.SUCCEEDED)]
        polls = 0

        async def write() -> None:
            nonlocal polls
            polls += 1
            service.lines.append(f"poll {polls}")

        service.before["get"] = write
        watcher = Watcher(wants_logs=True)
        await run_job(client, create_request(), QUICK, watcher)
        assert watcher.lines == [
            *[f"line {n}" for n in range(25)],
            *[f"poll {n}" for n in range(1, polls + 1)],
        ]

    async def test_a_fault_of_the_log_costs_no_line(self, client: Dispatcher, service: JobService) -> None:
        """It is read on from where it was."""
        service.lines = [f"line {number}" for number in range(25)]
        service.faults["get_logs"] = [ServiceUnavailableError("away")]
        service.states = [Resource(Phase.RUNNING)] * 5 + [Resource(Phase.SUCCEEDED)]
        watcher = Watcher(wants_logs=True)
        await run_job(client, create_request(), QUICK, watcher)
        assert watcher.lines == service.lines

    async def test_a_log_that_can_not_be_read_fails_no_job(self, client: Dispatcher, service: JobService) -> None:
        """The job has run, whatever its log is like."""
        service.faults["get_logs"] = [RuntimeError("bug")]
        watcher = Watcher(wants_logs=True)
        resource = await run_job(client, create_request(), QUICK, watcher)
        assert resource.phase == Phase.SUCCEEDED
        assert not service.deleted

    async def test_they_are_not_read_unless_wanted(self, client: Dispatcher, service: JobService) -> None:
        """Nobody pays for what nobody sees."""
        await run_job(client, create_request(), QUICK, Watcher())
        assert not service.calls["get_logs"]

    async def test_following_ends_with_the_job(self, client: Dispatcher, service: JobService) -> None:
        """At once, also in a long pause."""
        service.lines = ["only line"]
        lines: list[str] = []
        ended = asyncio.Event()
        following = asyncio.ensure_future(
            follow_logs(
                client.get_logs,
                logs_request(b'{"job": "j"}'),
                lambda line: lines.append(line.message),
                ended,
                longest_poll=30,
            )
        )
        await until(lambda: lines)
        await asyncio.sleep(0.05)
        ended.set()
        await asyncio.wait_for(following, 5)
        assert lines == ["only line"]


async def test_pauses_grow_with_the_time_waited(client: Dispatcher, service: JobService) -> None:
    """A short job is polled often, a long one seldom: a second takes far fewer than a hundred polls."""
    service.states = [Resource(Phase.RUNNING)]
    with pytest.raises(TaskFailedError):
        await run_job(client, create_request(), RunPolicy(timeout=1.0))
    assert 10 <= service.calls["get"] <= 60


async def test_many_runs_share_a_loop(client: Dispatcher, service: JobService) -> None:
    """Two hundred at once, each with a job of its own."""
    requests = [create_request(run=f"run{number}") for number in range(200)]
    await asyncio.gather(*(run_job(client, request, QUICK) for request in requests))
    assert len(service.jobs) == 200


async def test_a_job_can_be_cancelled_by_its_meta(client: Dispatcher, service: JobService) -> None:
    """Through transient errors, and any number of times."""
    service.faults["delete"] = [ServiceUnavailableError("away")]
    for _ in range(2):
        await cancel_job(client, delete_request(b'{"job": "j"}'), 10)
    assert service.deleted == ["j", "j"]
