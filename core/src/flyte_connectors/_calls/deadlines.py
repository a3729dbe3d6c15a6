"""Time limits for very many short calls.

A timer per call costs more than most calls take. Here a call with a limit is an entry in a table, and
one timer looks through the table every now and then; a call may outlive its limit by that much.
"""

from __future__ import annotations

import asyncio
import sys
import weakref

RESOLUTION = 0.05
"""Seconds by which a call may outlive its limit."""


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
        self._tables: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Table] = (
            weakref.WeakKeyDictionary()
        )

    def begin(self, seconds: float) -> Limit:
        """Limit what the current task does until the limit's `end` to `seconds`."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        table = self._tables.get(loop)
        if table is None:
            table = self._tables[loop] = _Table(loop)
        table.watch()
        return Limit(table, task, loop.time() + seconds)


class _Table:
    """The limits of the calls on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.limits: set[Limit] = set()
        self._loop = weakref.ref(loop)
        self._watching = False

    def watch(self) -> None:
        """Look through the limits from time to time, for as long as there are any."""
        if not self._watching:
            self._watching = True
            self._schedule()

    def _schedule(self) -> None:
        loop = self._loop()
        if loop is not None:
            loop.call_later(RESOLUTION, self._look)

    def _look(self) -> None:
        loop = self._loop()
        if not self.limits or loop is None:
            self._watching = False
            return
        now = loop.time()
        for limit in list(self.limits):
            limit.check(now)
        self._schedule()
