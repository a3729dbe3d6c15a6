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
from collections.abc import Awaitable, Callable

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution

from flyte_connectors._calls.retries import Backoff
from flyte_connectors.errors import (
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    UnsupportedVerbError,
)

Ask = Callable[[float], Awaitable[None]]

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

    async def answer(
        self, job: bytes, timeout: float | None, ask: Ask, *, instead: pb.Resource
    ) -> None:
        """Have the job's state reported, as well as it can be known within `timeout` seconds.

        Args:
            job: The job's `resource_meta`.
            timeout: Seconds that the caller waits.
            ask: Asks the connector, within the seconds it is given, and reports the answer.
            instead: Filled with what to report if the connector has no answer.

        Raises:
            InvalidRequestError, UnsupportedVerbError: faults of the request or the connector, which
                no time heals.
        """
        backoff = Backoff(timeout)
        while True:
            try:
                await ask(backoff.left())
            except (InvalidRequestError, UnsupportedVerbError):
                raise
            except JobNotFoundError as error:
                self._lose(job, error.message, instead)
                return
            except ConnectorError as error:
                if not await backoff.again(error):
                    self._cover(job, error, instead)
                    return
                self.counts.retried += 1
            else:
                if self._since:
                    self._since.pop(job, None)
                return

    def _cover(self, job: bytes, error: ConnectorError, instead: pb.Resource) -> None:
        now = time.monotonic()
        seconds = now - self._since.setdefault(job, now)
        if len(self._since) > _REMEMBERED_JOBS:
            self._since.popitem(last=False)
        if seconds > self._lost_after:
            text = f"the job could not be asked about for {seconds:.0f} s: {error.message}"
            self._lose(job, text, instead)
            return
        self.counts.answered += 1
        instead.phase = TaskExecution.RUNNING

    def _lose(self, job: bytes, text: str, instead: pb.Resource) -> None:
        self._since.pop(job, None)
        self.counts.lost += 1
        instead.phase = TaskExecution.RETRYABLE_FAILED
        instead.message = text
