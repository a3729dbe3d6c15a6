"""One question about all jobs, whose answer serves every `get` for a while.

Each question is asked by one thread; the others wait for its answer, or take the one before. So ten
thousand polled jobs cost the controller one question per interval. While the controller does not answer,
one thread tries, and the others get its error at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from flyte_connectors.errors import ConnectorError, ServiceUnavailableError

from flyte_connectors_batch_job.backends import outages
from flyte_connectors_batch_job.backends.slurm.channel import QUESTION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_connectors_batch_job.backends.slurm.channel import Channel, Record

_SHARE = 5
"""A question that takes long is asked more rarely: for at most one part in so many of the time."""

_WAIT_SECONDS = QUESTION_SECONDS + 2


class Seen(NamedTuple):
    """What the controller knew.

    Args:
        number: Of the question, counted up.
        at: When it was asked, by the monotonic clock.
        jobs: The records of each job, by its name in Slurm.
    """

    number: int
    at: float
    jobs: Mapping[str, Sequence[Record]]


class View:
    """What was last seen of the jobs.

    Args:
        channel: Whom to ask.
        interval: Shortest time between two questions, in seconds.
    """

    def __init__(self, channel: Channel, interval: float) -> None:
        self._channel = channel
        self._interval = interval
        self._lock = threading.Lock()
        self._asked = 0
        self._seen: Seen | None = None
        self._ask_at = 0.0
        self._failure: ConnectorError | None = None

    def recent(self) -> Seen:
        """What was seen at most an interval ago, or is seen now.

        Raises:
            ConnectorError: the controller does not answer.
        """
        while True:
            seen, failure = self._seen, self._failure
            if time.monotonic() < self._ask_at:
                if failure:
                    raise outages.own(failure)
                if seen:
                    return seen
            if self._lock.acquire(blocking=False):
                try:
                    if time.monotonic() >= self._ask_at:
                        return self._ask()
                finally:
                    self._lock.release()
            elif failure:
                raise outages.own(failure)
            elif seen and time.monotonic() - seen.at < 2 * self._interval + QUESTION_SECONDS:
                return seen
            else:
                self._wait()

    def fresh(self) -> Seen:
        """What is seen by a question that is asked after this call.

        Raises:
            ConnectorError: the controller does not answer.
        """
        before = self._asked
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise _no_answer()
        try:
            if self._seen and self._seen.number > before:
                return self._seen
            return self._ask()
        finally:
            self._lock.release()

    def _wait(self) -> None:
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise _no_answer()
        self._lock.release()

    def _ask(self) -> Seen:
        self._asked += 1
        number, started = self._asked, time.monotonic()
        try:
            records = self._channel.jobs()
        except ConnectorError as error:
            self._failure = error
            self._ask_at = time.monotonic() + self._interval
            raise
        now = time.monotonic()
        self._failure, self._ask_at = None, now + max(self._interval, _SHARE * (now - started))
        jobs: dict[str, list[Record]] = {}
        for record in records:
            jobs.setdefault(record.name, []).append(record)
        self._seen = Seen(number, started, jobs)
        return self._seen


def _no_answer() -> ServiceUnavailableError:
    message = f"Slurm's controller gave no answer within {_WAIT_SECONDS:g} s"
    return ServiceUnavailableError(message, outcome_unknown=False)
