"""Trying again what failed for a passing reason, within the caller's time."""

from __future__ import annotations

import asyncio
import random
import time

from flyte_connectors.errors import ConnectorError

SHARE = 0.8
"""Part of the caller's time that may be used; the rest is for the answer's way back."""

DEFAULT_TIMEOUT = 10.0
"""Seconds that Flyte's back end gives a call by default."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


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
