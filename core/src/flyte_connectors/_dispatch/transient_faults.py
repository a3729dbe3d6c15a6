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

    def answered(self, job: bytes) -> None:
        """A job has been asked about."""
        if self._since:
            self._since.pop(job, None)

    async def covered(
        self, job: bytes, error: ConnectorError, backoff: Backoff, resource: pb.Resource
    ) -> bool:
        """Whether `resource` was filled with what is known of a job that can't be asked about.

        Args:
            job: The job's `resource_meta`.
            error: Why it can't.
            backoff: The pauses between the tries of this call.
            resource: What to fill.

        Returns:
            False, after a pause, if there is time for another try.

        Raises:
            InvalidRequestError, UnsupportedVerbError: `error` itself, if it is a fault of the request or
                the connector, which no time heals.
        """
        if isinstance(error, (InvalidRequestError, UnsupportedVerbError)):
            raise error
        if await backoff.again(error):
            self.counts.retried += 1
            return False
        self._cover(job, error, resource)
        return True

    def _cover(self, job: bytes, error: ConnectorError, resource: pb.Resource) -> None:
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
