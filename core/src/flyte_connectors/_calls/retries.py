"""When to try again, and when to ask again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flyte_connectors.errors import ConnectorError, InternalError

T = TypeVar("T")
Waiting = Callable[[ConnectorError, float], None]

SHARE = 0.8
"""Part of the caller's time that may be used; the rest is for the answer's way back."""

DEFAULT_TIMEOUT = 10.0
"""Seconds that Flyte's back end gives a call by default."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds
_TRIES_OF_UNFORESEEN = 5


class Backoff:
    """Pauses between tries, each twice as long as the one before, with jitter.

    Args:
        timeout: Seconds that the caller waits; None takes Flyte's default.
    """

    def __init__(self, timeout: float | None) -> None:
        self._deadline = time.monotonic() + SHARE * (timeout or DEFAULT_TIMEOUT)
        self._pause = _FIRST_PAUSE

    def left(self) -> float:
        """Seconds that are left for a try."""
        return max(self._deadline - time.monotonic(), 0.001)

    async def again(self, error: ConnectorError) -> bool:
        """Whether to try again after `error`; pauses first if so."""
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  (jitter)
        if not error.retryable or pause > self.left():
            return False
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
        return True


class Patience:
    """For how long a call that fails for passing reasons is tried again.

    An unforeseen error is often a passing one too (a connector that lets its HTTP client's errors
    through), so it is tried a few times.

    Args:
        seconds: For how long.
        waiting: Told of each error that is waited for, and for how many seconds.
    """

    def __init__(self, seconds: float, waiting: Waiting | None = None) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._waiting = waiting

    def shorten(self, seconds: float) -> None:
        """Give up in `seconds` at the latest."""
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + seconds)

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call()`.

        Raises:
            ConnectorError: the last one, when patience is at its end.
        """
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            try:
                return await call()
            except ConnectorError as error:
                tries += 1
                unforeseen = isinstance(error, InternalError) and tries <= _TRIES_OF_UNFORESEEN
                pause = min(0.05 * 2**tries, 5.0) * random.uniform(0.5, 1.0)  # noqa: S311  (jitter)
                if not (error.retryable or unforeseen) or loop.time() + pause > self._deadline:
                    raise
                if self._waiting is not None:
                    self._waiting(error, pause)
                await asyncio.sleep(pause)


class GrowingPause:
    """Pauses that grow with the time waited so far: a tenth of it, within limits.

    Args:
        longest: Seconds; `shortest` likewise.

    A poll thus comes at most a tenth of the job's duration late, and a job of a day is not asked
    about more than every `longest` seconds.
    """

    def __init__(self, longest: float, shortest: float = 0.01) -> None:
        self._shortest = shortest
        self._longest = longest
        self._started = asyncio.get_running_loop().time()

    def __await__(self) -> Any:
        return asyncio.sleep(self._next()).__await__()

    async def unless(self, event: asyncio.Event) -> None:
        """Pause, but no longer than until `event`."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), self._next())

    def _next(self) -> float:
        waited = asyncio.get_running_loop().time() - self._started
        return min(max(waited / 10, self._shortest), self._longest)
