"""Time limits for very many short calls.

A timer per call costs more than most calls take. Here a call with a limit is an entry in a table, and
one timer checks the table periodically; a call may exceed its limit by that period.
"""

from __future__ import annotations

import asyncio
import sys
import time
import weakref

from flyte_connectors._calls.per_loop import PerLoop

RESOLUTION = 0.05
"""Seconds by which a call may exceed its limit."""


class Limit:
    """The time limit of one call, which runs in one task.

    Attributes:
        expired: Whether the call was cancelled because its time is up.
    """

    __slots__ = ("_at", "_table", "_task", "expired")

    def __init__(self, table: _Table, task: asyncio.Task[object], at: float) -> None:
        self._table = table
        self._task = task
        self._at = at
        self.expired = False
        table.limits.add(self)

    def end(self) -> None:
        """The call is over."""
        self._table.limits.discard(self)
        if self.expired and sys.version_info >= (3, 11):
            self._task.uncancel()

    def check(self, now: float) -> None:
        """Cancel the call if its time is up."""
        if now >= self._at and not self.expired:
            self.expired = True
            self._task.cancel()


class Deadlines:
    """The limits of all calls, on whichever event loops they run."""

    def __init__(self) -> None:
        self._tables = PerLoop(lambda: _Table(asyncio.get_running_loop()))

    def begin(self, seconds: float) -> Limit:
        """Limit what the current task does until the limit's `end` to `seconds`."""
        task = asyncio.current_task()
        assert task is not None
        table = self._tables.get()
        if not table.is_watching:
            table.watch()
        return Limit(table, task, time.monotonic() + seconds)


class _Table:
    """The limits of the calls on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.limits: set[Limit] = set()
        self.loop = weakref.ref(loop)
        self.is_watching = False

    def watch(self) -> None:
        """Look through the limits from time to time, for as long as there are any."""
        loop = self.loop()
        self.is_watching = loop is not None
        if loop is not None:
            loop.call_later(RESOLUTION, self._look)

    def _look(self) -> None:
        if not self.limits:
            self.is_watching = False
            return
        now = time.monotonic()
        for limit in list(self.limits):
            limit.check(now)
        self.watch()
