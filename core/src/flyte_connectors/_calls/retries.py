"""Retries and backoff, and the pauses between polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flyte_connectors.errors import ConnectorError, ContractError, InternalError

T = TypeVar("T")
Waiting = Callable[[ConnectorError, float], None]

SHARE = 0.8
"""Fraction of the caller's time that may be used; the rest is for sending the reply."""

DEFAULT_TIMEOUT = 10.0
"""Seconds that Flyte's back end gives a call by default."""

_TRIES_OF_UNFORESEEN = 5


def _pause_after(error: ConnectorError, tries: int, longest: float) -> float:
    """Seconds until the next try: twice as many each time, with jitter, and as many as the vendor asks for."""
    import random  # for calls that fail

    pause: float = min(0.05 * 2 ** min(tries, 10), longest) * random.uniform(0.5, 1.0)  # noqa: S311
    return max(pause, error.retry_after or 0.0)


class Backoff:
    """Pauses between the tries of one call of a service.

    Args:
        timeout: Seconds that the caller waits; None takes Flyte's default.
        began: When the caller began to, by the monotonic clock; None for now.
    """

    def __init__(self, timeout: float | None, began: float | None = None) -> None:
        began = time.monotonic() if began is None else began
        self._deadline = began + SHARE * (timeout or DEFAULT_TIMEOUT)
        self._tries = 0

    def left(self) -> float:
        """Seconds that are left for a try."""
        return max(self._deadline - time.monotonic(), 0.001)

    async def again(self, error: ConnectorError) -> bool:
        """Whether to try again after `error`; pauses first if so."""
        pause = _pause_after(error, self._tries, longest=1.0)
        if not error.retryable or pause > self.left():
            return False
        self._tries += 1
        await asyncio.sleep(pause)
        return True


class Retrying:
    """Retries calls that fail with transient errors, up to a time limit.

    Only time in which this process was running counts: time in which a laptop slept, a virtual machine was
    suspended or the process was stopped does not. An unexpected error is often transient, too (a connector
    that lets its HTTP client's errors through), so it is retried a few times.

    Args:
        seconds: For how long, from the first failure on.
        waiting: Called with each error before a retry, and the seconds until it.
        also: Classes of errors that are retried here besides the retryable ones.

    Attributes:
        outcome_unknown: Whether a failed call may have taken effect.
    """

    def __init__(
        self,
        seconds: float,
        waiting: Waiting | None = None,
        *,
        also: tuple[type[ConnectorError], ...] = (),
    ) -> None:
        self._seconds = seconds
        self._waiting = waiting
        self._also = also
        self._clock: _AwakeClock | None = None
        self.outcome_unknown = False

    def shorten(self, seconds: float) -> None:
        """Give up in `seconds` at the latest."""
        so_far = self._clock.read() if self._clock is not None else 0.0
        self._seconds = min(self._seconds, so_far + seconds)

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call()`.

        Raises:
            ConnectorError: the last one, when the time is up or a retry would not help.
        """
        tries = 0
        try:
            while True:
                try:
                    return await call()
                except ConnectorError as error:
                    tries += 1
                    self.outcome_unknown |= error.outcome_unknown
                    if self._clock is None:
                        self._clock = _AwakeClock()
                    pause = _pause_after(error, tries, longest=5.0)
                    ends = self._clock.read() + pause
                    if not self._may_pass(error, tries) or ends > self._seconds:
                        raise
                    if self._waiting is not None:
                        self._waiting(error, pause)
                    await asyncio.sleep(pause)
        finally:
            if self._clock is not None:
                self._clock.stop()

    def _may_pass(self, error: ConnectorError, tries: int) -> bool:
        if isinstance(error, InternalError):
            return not isinstance(error, ContractError) and tries <= _TRIES_OF_UNFORESEEN
        return error.retryable or isinstance(error, self._also)


class _AwakeClock:
    """Seconds that the event loop has run since this was made; a gap counts as one tick."""

    _TICK = 1.0  # seconds

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = 0.0
        self._last = self._loop.time()
        self._timer = self._loop.call_later(self._TICK, self._tick)

    def read(self) -> float:
        now = self._loop.time()
        self._seconds += min(now - self._last, 2 * self._TICK)
        self._last = now
        return self._seconds

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        self.read()
        self._timer = self._loop.call_later(self._TICK, self._tick)


def growing_pause(waited: float, longest: float, shortest: float = 0.01) -> float:
    """Seconds until the next poll: a tenth of those waited so far, within limits.

    A poll is thus late by at most a tenth of the job's duration, and a job that runs for a day is not polled
    more often than every `longest` seconds.
    """
    return min(max(waited / 10, shortest), longest)
