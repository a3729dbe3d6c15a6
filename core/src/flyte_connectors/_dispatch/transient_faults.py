"""What GetTask answers while a job's state can't be read.

Flyte's back end counts the errors of GetTask over a task's whole life and fails the task after six, so a
transient error must not reach it. Transient errors are retried within the caller's deadline; after that the
answer is RUNNING, the last known state. A job whose state can't be read for longer than the operator's limit
counts as lost: RETRYABLE_FAILED.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from typing import NamedTuple

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution

from flyte_connectors import errors
from flyte_connectors._calls.retries import Backoff
from flyte_connectors._dispatch.creates import NotCreatedYetError

_REMEMBERED_JOBS = 10_000


@dataclasses.dataclass
class FaultCounts:
    """Handled errors: calls retried, errors answered with RUNNING, jobs counted as lost."""

    retried: int = 0
    answered: int = 0
    lost: int = 0


class Failing(NamedTuple):
    """A job whose state can't be read.

    Attributes:
        since: Time of the monotonic clock at which a call first failed, in seconds.
        reason: Why the last one failed.
    """

    since: float
    reason: str


class TransientFaults:
    """Replies of `get` during transient errors.

    Args:
        lost_after: Seconds after which a job whose state can't be read counts as lost.

    Attributes:
        counts: The handled errors.
        lost_after: As given.
        failing: The jobs whose state can't be read now, by `resource_meta`.
    """

    def __init__(self, *, lost_after: float) -> None:
        self.lost_after = lost_after
        self.failing: collections.OrderedDict[bytes, Failing] = collections.OrderedDict()
        self.counts = FaultCounts()

    def answered(self, job: bytes) -> None:
        """A job's state was read."""
        if self.failing:
            self.failing.pop(job, None)

    async def covered(self, job: bytes, error: errors.ConnectorError, backoff: Backoff, resource: pb.Resource) -> bool:
        """Whether `resource` was filled for a job whose state can't be read.

        Returns:
            False, after a pause, if there is time for another try.

        Raises:
            InvalidRequestError, UnsupportedVerbError: `error` itself, if retrying can't help.
        """
        if isinstance(error, (errors.InvalidRequestError, errors.UnsupportedVerbError)):
            raise error
        if await backoff.again(error):
            self.counts.retried += 1
            return False
        self._cover(job, error, resource)
        return True

    def _cover(self, job: bytes, error: errors.ConnectorError, resource: pb.Resource) -> None:
        if isinstance(error, errors.JobNotFoundError):
            self._lose(job, error.message, resource)
            return
        now = time.monotonic()
        since = self.failing[job].since if job in self.failing else now
        self.failing[job] = Failing(since, error.message)
        seconds = now - since
        if len(self.failing) > _REMEMBERED_JOBS:
            self.failing.popitem(last=False)
        if seconds > self.lost_after:
            text = f"the job's state could not be read for {seconds:.0f} s: {error.message}"
            self._lose(job, text, resource)
            return
        self.counts.answered += 1
        resource.phase = TaskExecution.RUNNING
        if isinstance(error, NotCreatedYetError):
            resource.phase = TaskExecution.INITIALIZING
            resource.message = error.message

    def _lose(self, job: bytes, text: str, resource: pb.Resource) -> None:
        self.failing.pop(job, None)
        self.counts.lost += 1
        resource.phase = TaskExecution.RETRYABLE_FAILED
        resource.message = text
