"""Hours of waiting in no time: an event loop whose clock jumps to the next thing to do."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of `coroutine`, for which `time.monotonic` and the loop's clock are one.

    Nothing in it may wait for a thread or a socket: their time is another.
    """
    loop = _JumpingLoop()
    with mock.patch.object(time, "monotonic", loop.time):
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()


class _JumpingSelector(selectors.DefaultSelector):
    """Waits by setting the clock forward."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "waits for ever"
        self.now += max(timeout, 0)
        return super().select(0)


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now
