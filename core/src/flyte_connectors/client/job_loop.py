"""The job loop: runs one task to its end, as Flyte's back end would: create, poll, outputs, delete.

It drives the dispatcher of this process or a remote service (`flyte_connectors.client.remote`). However it
ends (failure, timeout, Ctrl-C, cancellation), its job is cancelled; if that fails, the user learns so, and
how to cancel it later.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sys
from collections.abc import Awaitable
from functools import partial

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors import errors
from flyte_connectors._calls.context import current
from flyte_connectors._calls.retries import Retrying, growing_pause
from flyte_connectors.client.alarms import alarms
from flyte_connectors.client.cancelling import CANCEL_SECONDS, cancel_left_job, to_the_end
from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.job import Job
from flyte_connectors.client.log_following import LogFollower
from flyte_connectors.connector import TERMINAL_PHASES, Phase

if sys.version_info >= (3, 11):
    from asyncio import timeout as time_limit
else:
    from async_timeout import timeout as time_limit

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = 600.0
"""Default seconds for which a started job may be polled without an answer."""

_LONGEST_CREATE = 60.0  # seconds for which a create is tried again: nothing is lost by giving up
_CANCEL_BY_USER = 10.0  # seconds for which a user who presses Ctrl-C is kept waiting
_UNLIMITED = contextlib.nullcontext()
_CREATE_AFTER_CANCEL = 5.0  # seconds; a create whose reply was lost may have started a job


@dataclasses.dataclass(frozen=True)
class RunPolicy:
    """Time limits of a run, and how often it polls.

    Attributes:
        retries: New attempts after a RETRYABLE_FAILED or lost job.
        timeout: Seconds that one attempt may take, from its create on; None has no limit.
        give_up_after: Seconds for which a started job may be polled without an answer; then the run fails and
            cancels the job. Time in which this process did not run, as on a sleeping laptop, does not
            count. A create is given up after a minute at most.
        shortest_poll: Shortest pause between two polls, in seconds; `longest_poll` likewise. In between
            they grow with the job's age.
    """

    retries: int = 0
    timeout: float | None = None
    give_up_after: float = GIVE_UP_AFTER
    shortest_poll: float = 0.01
    longest_poll: float = 3.0


class RunObserver:
    """Is called during a run; most methods of this class do nothing."""

    def of_job(self, name: str) -> RunObserver:  # noqa: ARG002
        """What is called about one of the run's jobs, such as `a0`."""
        return self

    def created(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> None:
        """A job has been started."""

    def polled(self, resource: pb.Resource) -> None:
        """The job's state has been read."""

    def waiting(self, error: errors.ConnectorError, seconds: float) -> None:
        """A call has failed, and is tried again in so many seconds."""

    def not_cancelled(self, text: str, *, is_final: bool) -> None:
        """A job that has to be cancelled still runs; it is tried again unless this is final.

        Args:
            text: Which job, why, and how to cancel it later. This class logs it.
            is_final: Whether it is not tried again.
        """
        logger.log(logging.ERROR if is_final else logging.WARNING, "%s", text)

    def how_to_cancel(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> str:  # noqa: ARG002
        """What to do about a job that could not be cancelled; empty if nothing is known.

        Args:
            request: Names the job: run, action, task and its type. It may hold nothing else.
            resource_meta: The job.
        """
        return ""

    def logged(self, line: LogLine) -> None:
        """The job has written a log line; only called if `wants_logs`."""

    wants_logs = False


_NO_OBSERVER = RunObserver()


async def run_job(
    client: ConnectorClient,
    request: pb.CreateTaskRequest,
    policy: RunPolicy | None = None,
    observer: RunObserver | None = None,
) -> pb.Resource:
    """Run a task to its end.

    Args:
        client: Where the connector is.
        request: What to create; each new attempt counts its retry attempt up.
        policy: Time limits and polling intervals.
        observer: Called during the run.

    Returns:
        The succeeded resource.

    Raises:
        TaskFailedError: the job failed, or did not end within the timeout.
        CreateOutcomeUnknownError: it may have been started, and the connector can't repeat a create.
        ConnectorError: it could not be started, or its state could not be read for too long.
    """
    policy = policy or RunPolicy()
    observer = observer or _NO_OBSERVER
    attempt = request.task_execution_metadata.task_execution_id.retry_attempt
    name = sys.intern(request.template.id.name)
    packed = request.SerializeToString() if attempt < policy.retries else b""  # smaller than the message
    while True:
        # A job that is waited for is this frame, a future and a few small objects: there may be a hundred thousand.
        run = _Attempt(client, policy, observer)
        try:
            async with _UNLIMITED if policy.timeout is None else time_limit(policy.timeout):
                await run.start(request)
                del request
                clock = alarms.get()
                while (resource := await run.poll()) is None:
                    await clock.at(run.next_poll())
            await run.last_lines()
        except BaseException as error:
            ended = await run.end(error, name)
            if ended is error:
                raise
            raise ended from None
        phase = Phase(resource.phase)
        if phase is Phase.SUCCEEDED:
            return resource
        if phase is not Phase.RETRYABLE_FAILED or attempt >= policy.retries:
            text = resource.message or f"the job ended {phase.name} without a message"
            raise errors.TaskFailedError(f"task '{name}' {phase.name.lower()}: {text}", phase=phase.name)
        logger.warning("attempt %d of '%s': %s", attempt, name, resource.message)
        await asyncio.sleep(min(0.1 * 2**attempt, policy.longest_poll))
        attempt += 1
        request = pb.CreateTaskRequest.FromString(packed)
        request.task_execution_metadata.task_execution_id.retry_attempt = attempt


class _Attempt:
    """One attempt of a run: its job, until that has ended or is cancelled."""

    __slots__ = ("_client", "_follower", "_job", "_observer", "_policy", "_started")

    def __init__(self, client: ConnectorClient, policy: RunPolicy, observer: RunObserver) -> None:
        self._client = client
        self._policy = policy
        self._observer = observer
        self._job: Job | None = None
        self._follower: LogFollower | None = None
        self._started = 0.0

    async def start(self, request: pb.CreateTaskRequest) -> None:
        """Create the job."""
        job = self._job = await _create(self._client, request, self._policy, self._observer)
        self._observer.created(request, job.meta)
        if self._observer.wants_logs:
            logs = job.fill(pb.GetTaskLogsRequest())
            self._follower = LogFollower(self._client.get_logs, logs, self._observer.logged)
        self._started = asyncio.get_running_loop().time()

    async def poll(self) -> pb.Resource | None:
        """The job's terminal state; None while it runs. One that is not known any more has to be run again."""
        assert self._job is not None
        request = self._job.fill(pb.GetTaskRequest(output_prefix=self._job.output_prefix))
        missing = (errors.ConnectorNotFoundError,)  # a starting replica may lack a plugin for a while
        retrying = Retrying(self._policy.give_up_after, self._observer.waiting, also=missing)
        outside = current.set(None)
        try:
            resource = (await retrying.call(partial(self._client.get, request))).resource
        except errors.JobNotFoundError as error:
            resource = pb.Resource(phase=TaskExecution.RETRYABLE_FAILED, message=error.message)
        finally:
            current.reset(outside)  # between two polls, the name of the call would be a tenth of the job's memory
        self._observer.polled(resource)
        if resource.phase == TaskExecution.UNDEFINED:
            return pb.Resource(phase=TaskExecution.FAILED, message="the connector reported no phase")
        return resource if resource.phase in TERMINAL_PHASES else None

    def next_poll(self) -> float:
        """When to poll again, by the event loop's clock."""
        now, policy = asyncio.get_running_loop().time(), self._policy
        return now + growing_pause(now - self._started, policy.longest_poll, policy.shortest_poll)

    async def last_lines(self) -> None:
        """Read the rest of the log."""
        if self._follower is not None:
            await self._follower.last_lines()

    async def end(self, error: BaseException, name: str) -> BaseException:
        """Cancel the job; return the error for the caller, which says whether that was done."""
        if self._follower is not None:
            self._follower.stop()
        end = ""
        if self._job is not None:
            seconds = _CANCEL_BY_USER if isinstance(error, asyncio.CancelledError) else CANCEL_SECONDS
            end = await _cancel(self._client, self._job, self._observer, seconds)
        if isinstance(error, asyncio.TimeoutError):
            text = f"timed out after {self._policy.timeout:g} s{end}"
            return errors.TaskFailedError(f"task '{name}' {text}", phase="TIMED_OUT")
        if isinstance(error, errors.ConnectorError):
            error.message += end
            error.args = (error.message,)
        return error


async def _create(
    client: ConnectorClient, request: pb.CreateTaskRequest, policy: RunPolicy, observer: RunObserver
) -> Job:
    """The new job; a caller that leaves meanwhile leaves no job behind."""
    retrying = Retrying(min(policy.give_up_after, _LONGEST_CREATE), observer.waiting)

    def create() -> Awaitable[pb.CreateTaskResponse]:
        if retrying.outcome_unknown:
            return client.create(request, again=True)
        return client.create(request)

    creating = asyncio.ensure_future(retrying.call(create))
    try:
        return Job.of(request, (await asyncio.shield(creating)).resource_meta)
    except asyncio.CancelledError:
        retrying.shorten(_CREATE_AFTER_CANCEL)
        try:
            job = Job.of(request, (await to_the_end(creating)).resource_meta)
        except errors.ConnectorError as error:
            if retrying.outcome_unknown:
                observer.not_cancelled(_maybe_started(request, error, observer), is_final=True)
        else:
            await _cancel(client, job, observer, _CANCEL_BY_USER)
        raise
    except errors.ConnectorError as error:
        if retrying.outcome_unknown and error.retryable:
            error.message = _maybe_started(request, error, observer)
            error.args = (error.message,)
        raise


def _maybe_started(request: pb.CreateTaskRequest, error: errors.ConnectorError, observer: RunObserver) -> str:
    from flyte_connectors._dispatch.creates import meta_holding  # for errors only

    hint = observer.how_to_cancel(request, meta_holding(request))
    text = f"{error.message}; whether the job of '{request.template.id.name}' was started is not known"
    return f"{text}. To cancel it later: {hint}" if hint else text


async def _cancel(client: ConnectorClient, job: Job, observer: RunObserver, seconds: float) -> str:
    """Cancel a job; return the result, for the end of an error message."""
    hint = ""

    def text_of(error: errors.ConnectorError) -> str:
        nonlocal hint
        hint = hint or observer.how_to_cancel(job.request(), job.meta)
        text = f"the job of '{job.name}' is NOT cancelled: {error.message}"
        return f"{text}. To cancel it later: {hint}" if hint else text

    reported = False

    def not_yet(error: errors.ConnectorError, _: float) -> None:
        nonlocal reported
        if not reported:
            reported = True
            text = f"{text_of(error)} (trying again for {seconds:g} s)"
            observer.not_cancelled(text, is_final=False)

    error = await cancel_left_job(client, job.fill(pb.DeleteTaskRequest()), seconds, not_yet)
    if error is None:
        return "; its job was cancelled"
    text = text_of(error)
    observer.not_cancelled(text, is_final=True)
    return f"; {text}"
