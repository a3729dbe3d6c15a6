"""What GetTask answers while a job can't be asked about.

Flyte's back end counts the errors of GetTask over a task's whole life and gives a task up after six,
so an error is the wrong answer to a passing fault. Faults are retried within the caller's deadline; then
the answer is RUNNING, which is what is known: the job was created, and no end was seen. A job that can't be asked about for
longer than the operator's limit counts as lost: RETRYABLE_FAILED.
"""

from __future__ import annotations

import collections
import dataclasses
import time

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution

from flyte_connectors._calls.retries import Backoff
from flyte_connectors._dispatch.creates import NotCreatedYetError
from flyte_connectors.errors import (
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    UnsupportedVerbError,
)

_REMEMBERED_JOBS = 10_000


@dataclasses.dataclass
class AbsorbCounts:
    """What has been absorbed: retried calls, answers in place of an error, jobs given up as lost."""

    retried: int = 0
    answered: int = 0
    lost: int = 0


class TransientFaults:
    """Answers for `get` through faults.

    Args:
        lost_after: Seconds after which a job that can't be asked about counts as lost.

    Attributes:
        counts: What has been absorbed.
    """

    def __init__(self, *, lost_after: float) -> None:
        self._lost_after = lost_after
        self._since: collections.OrderedDict[bytes, float] = collections.OrderedDict()
        self.counts = AbsorbCounts()

    def asking(self, job: bytes, timeout: float | None) -> Asking:
        """The tries of one GetTask.

        Args:
            job: The job's `resource_meta`.
            timeout: Seconds that the caller waits.
        """
        return Asking(self, job, timeout)

    def answered(self, job: bytes) -> None:
        """A job has been asked about."""
        if self._since:
            self._since.pop(job, None)

    def cover(self, job: bytes, error: ConnectorError, resource: pb.Resource) -> None:
        """Fill `resource` with what is known of a job that can't be asked about."""
        if isinstance(error, JobNotFoundError):
            self._lose(job, error.message, resource)
            return
        now = time.monotonic()
        seconds = now - self._since.setdefault(job, now)
        if len(self._since) > _REMEMBERED_JOBS:
            self._since.popitem(last=False)
        if seconds > self._lost_after:
            text = f"the job could not be asked about for {seconds:.0f} s: {error.message}"
            self._lose(job, text, resource)
            return
        self.counts.answered += 1
        resource.phase = TaskExecution.RUNNING
        if isinstance(error, NotCreatedYetError):
            resource.phase = TaskExecution.INITIALIZING
            resource.message = error.message

    def _lose(self, job: bytes, text: str, resource: pb.Resource) -> None:
        self._since.pop(job, None)
        self.counts.lost += 1
        resource.phase = TaskExecution.RETRYABLE_FAILED
        resource.message = text


class Asking(Backoff):
    """The tries of one GetTask, within its caller's time; see `TransientFaults.asking`."""

    def __init__(self, faults: TransientFaults, job: bytes, timeout: float | None) -> None:
        super().__init__(timeout)
        self._faults = faults
        self._job = job

    def succeeded(self) -> None:
        """The connector has answered."""
        self._faults.answered(self._job)

    async def covered(self, error: ConnectorError, resource: pb.Resource) -> bool:
        """Whether `resource` was filled in place of an answer; if not, there is time for another try.

        Raises:
            InvalidRequestError, UnsupportedVerbError: `error` itself, if it is a fault of the request or
                the connector, which no time heals.
        """
        if isinstance(error, (InvalidRequestError, UnsupportedVerbError)):
            raise error
        if await self.again(error):
            self._faults.counts.retried += 1
            return False
        self._faults.cover(self._job, error, resource)
        return True
