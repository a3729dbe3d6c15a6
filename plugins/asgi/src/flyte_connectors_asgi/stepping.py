"""Runs a coroutine by hand until it waits for the first time.

Most calls never wait. They need no timer and no look at whether the client is still there, so those are made
when a call begins to wait, not before.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Protocol


class Waiting(Protocol):
    """Watches over a coroutine that waits."""

    def waits(self) -> None:
        """It waits, for the first time or once more."""

    def ended(self) -> None:
        """It has ended after having waited."""


class Suspended:
    """The rest of a coroutine that has begun to wait; to be awaited in the same task.

    Args:
        coroutine: The coroutine.
        pending: What it has yielded.
        waiting: Is called each time that it waits, and at its end.
    """

    __slots__ = ("_coroutine", "_pending", "_waiting")

    def __init__(self, coroutine: Coroutine[Any, Any, None], pending: Any, waiting: Waiting) -> None:
        self._coroutine = coroutine
        self._pending = pending
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, pending, waiting = self._coroutine, self._pending, self._waiting
        try:
            while True:
                waiting.waits()
                try:
                    value = yield pending
                except BaseException as error:
                    pending = coroutine.throw(error)
                else:
                    pending = coroutine.send(value)
        except StopIteration:
            return
        finally:
            waiting.ended()
