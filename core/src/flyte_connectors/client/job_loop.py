"""The loop that sees one job through, as Flyte's back end would: create, poll, outputs, delete.

It drives whatever answers as a connector service does: the dispatcher of this process, or a remote
service (`flyte_connectors.client.remote`). However it is left (failure, timeout, Ctrl-C, cancellation), no
job stays behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Protocol, TypeVar

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors._calls.retries import GrowingPause, Patience
from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import (
    ConnectorError,
    JobNotFoundError,
    TaskFailedError,
)

if sys.version_info >= (3, 11):
    from asyncio import timeout as time_limit
else:
    from async_timeout import timeout as time_limit

T = TypeVar("T")
AnyRequest = TypeVar("AnyRequest", pb.GetTaskRequest, pb.DeleteTaskRequest, pb.GetTaskLogsRequest)
logger = logging.getLogger(__name__)

_LONGEST_LAST_LINES = 60.0  # seconds for what a log still holds when its job has ended
_PATIENCE_OF_THE_CANCELLED = 5.0  # seconds; a create whose reply was lost may have started a job


class ConnectorClient(Protocol):
    """Whatever answers the requests of `flyteidl2.connector`."""

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None
    ) -> pb.CreateTaskResponse:
        """Start a job."""
        ...

    async def get(
        self, request: pb.GetTaskRequest, timeout: float | None = None
    ) -> pb.GetTaskResponse:
        """Report a job's state."""
        ...

    async def delete(
        self, request: pb.DeleteTaskRequest, timeout: float | None = None
    ) -> pb.DeleteTaskResponse:
        """Cancel a job."""
        ...

    def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield `GetTaskLogsResponse` or `LogLine` messages."""
        ...


@dataclasses.dataclass(frozen=True)
class RunPolicy:
    """How patient a run is.

    Attributes:
        retries: New attempts after a RETRYABLE_FAILED or lost job.
        timeout: Seconds that one attempt may take, from its create on; None has no limit.
        patience: Seconds for which calls that fail are tried again.
        shortest_poll: Shortest pause between two polls, in seconds; `longest_poll` likewise. In between
            they grow with the job's age.
    """

    retries: int = 0
    timeout: float | None = None
    patience: float = 60.0
    shortest_poll: float = 0.01
    longest_poll: float = 3.0


class RunObserver:
    """Told what happens during a run; the methods of this class do nothing."""

    def created(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> None:
        """A job has been started."""

    def polled(self, resource: pb.Resource) -> None:
        """The job's state has been read."""

    def waiting(self, error: ConnectorError, seconds: float) -> None:
        """A call has failed, and is tried again in so many seconds."""

    def logged(self, line: LogLine) -> None:
        """The job has written a log line; only called if `wants_logs`."""

    wants_logs = False


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
        policy: How patient to be.
        observer: Whom to tell.

    Returns:
        The succeeded resource.

    Raises:
        TaskFailedError: the job ended otherwise, or in time did not end at all.
        ConnectorError: it could not be started, or not be asked about any longer.
    """
    policy = policy or RunPolicy()
    observer = observer or RunObserver()
    attempt = request.task_execution_metadata.task_execution_id.retry_attempt
    name = request.template.id.name
    packed = request.SerializeToString()  # a tenth of the message's size, while the job runs
    del request
    while True:
        resource = await _attempt(client, packed, attempt, policy, observer)
        phase = Phase(resource.phase)
        if phase is Phase.SUCCEEDED:
            return resource
        if phase is not Phase.RETRYABLE_FAILED or attempt >= policy.retries:
            text = resource.message or f"the job ended {phase.name} without a message"
            message = f"task '{name}' {phase.name.lower()}: {text}"
            raise TaskFailedError(message, phase=phase.name)
        logger.warning("attempt %d of '%s': %s", attempt, name, resource.message)
        await asyncio.sleep(min(0.1 * 2**attempt, policy.longest_poll))
        attempt += 1


async def cancel_job(
    client: ConnectorClient, request: pb.DeleteTaskRequest, patience: float = RunPolicy.patience
) -> None:
    """Cancel a job, trying again while that fails for passing reasons.

    Raises:
        ConnectorError: it could not be cancelled.
    """
    await Patience(patience).call(lambda: client.delete(request))


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """What asking about a job takes, kept small: a process may follow a hundred thousand of them."""

    name: str
    category: tuple[str, int]
    meta: bytes
    output_prefix: str
    connection: bytes | None

    @classmethod
    def of(cls, request: pb.CreateTaskRequest, meta: bytes) -> _Job:
        template = request.template
        connected = request.HasField("connection")
        return cls(
            name=template.id.name,
            category=(template.type, template.task_type_version),
            meta=meta,
            output_prefix=request.output_prefix,
            connection=request.connection.SerializeToString() if connected else None,
        )

    def fill(self, request: AnyRequest) -> AnyRequest:
        """`request`, about this job."""
        request.resource_meta = self.meta
        request.task_category.name, request.task_category.version = self.category
        if self.connection is not None and not isinstance(request, pb.GetTaskLogsRequest):
            request.connection.ParseFromString(self.connection)
        return request


async def _attempt(
    client: ConnectorClient, packed: bytes, attempt: int, policy: RunPolicy, observer: RunObserver
) -> pb.Resource:
    """The terminal resource of one attempt; whatever else happens, its job is deleted."""
    request = pb.CreateTaskRequest.FromString(packed)
    request.task_execution_metadata.task_execution_id.retry_attempt = attempt
    name = request.template.id.name
    job = follower = None
    try:
        async with time_limit(policy.timeout):
            job = await _create(client, request, policy, observer)
            observer.created(request, job.meta)
            del request
            if observer.wants_logs:
                follower = _LogFollower(client, job, observer)
            resource = await _poll_to_end(client, job, policy, observer)
        if follower is not None:
            await follower.last_lines()
    except BaseException as error:
        if follower is not None:
            follower.stop()
        if job is not None:
            await _delete_for_sure(client, job, policy)
        if isinstance(error, asyncio.TimeoutError):
            text = f"timed out after {policy.timeout:g} s; its job was cancelled"
            message = f"task '{name}' {text}"
            raise TaskFailedError(message, phase="TIMED_OUT") from None
        raise
    return resource


class _LogFollower:
    """Reads the job's log beside the polling."""

    def __init__(self, client: ConnectorClient, job: _Job, observer: RunObserver) -> None:
        request = job.fill(pb.GetTaskLogsRequest())
        self._ended = asyncio.Event()
        following = follow_logs(client.get_logs, request, observer.logged, self._ended)
        self._following = asyncio.ensure_future(following)

    async def last_lines(self) -> None:
        """Return when all is read; the job has run, whatever its log is like."""
        self._ended.set()
        with contextlib.suppress(ConnectorError, asyncio.TimeoutError):
            await asyncio.wait_for(self._following, _LONGEST_LAST_LINES)

    def stop(self) -> None:
        self._following.cancel()


async def _create(
    client: ConnectorClient,
    request: pb.CreateTaskRequest,
    policy: RunPolicy,
    observer: RunObserver,
) -> _Job:
    """The new job; a caller that leaves meanwhile leaves no job behind."""
    patience = Patience(policy.patience, observer.waiting)
    creating = asyncio.ensure_future(patience.call(lambda: client.create(request)))
    try:
        return _Job.of(request, (await asyncio.shield(creating)).resource_meta)
    except asyncio.CancelledError:
        patience.shorten(_PATIENCE_OF_THE_CANCELLED)
        with contextlib.suppress(ConnectorError):
            meta = (await _to_the_end(creating)).resource_meta
            await _delete_for_sure(client, _Job.of(request, meta), policy)
        raise


async def _poll_to_end(
    client: ConnectorClient, job: _Job, policy: RunPolicy, observer: RunObserver
) -> pb.Resource:
    pause = GrowingPause(policy.longest_poll, policy.shortest_poll)
    while True:
        resource = await _poll(client, job, policy, observer)
        observer.polled(resource)
        if resource.phase in TERMINAL_PHASES:
            return resource
        if resource.phase == TaskExecution.UNDEFINED:
            message = "the connector reported no phase"
            return pb.Resource(phase=TaskExecution.FAILED, message=message)
        del resource
        await pause


async def _poll(
    client: ConnectorClient, job: _Job, policy: RunPolicy, observer: RunObserver
) -> pb.Resource:
    """The job's state; one that is not known any more has to be run again."""
    request = job.fill(pb.GetTaskRequest(output_prefix=job.output_prefix))
    try:
        patience = Patience(policy.patience, observer.waiting)
        return (await patience.call(partial(client.get, request))).resource
    except JobNotFoundError as error:
        return pb.Resource(phase=TaskExecution.RETRYABLE_FAILED, message=error.message)


async def _delete_for_sure(client: ConnectorClient, job: _Job, policy: RunPolicy) -> None:
    """Delete a job, although the caller may be cancelled meanwhile."""
    request = job.fill(pb.DeleteTaskRequest())
    deleting = asyncio.ensure_future(cancel_job(client, request, policy.patience))
    try:
        await _to_the_end(deleting)
    except ConnectorError as error:
        logger.error("the job of '%s' could not be cancelled: %s", job.name, error)  # noqa: TRY400


async def _to_the_end(work: asyncio.Future[T]) -> T:
    """The result of `work`, however often the caller is cancelled meanwhile."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError, ConnectorError):
            await asyncio.shield(work)
    return work.result()
