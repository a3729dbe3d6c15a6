"""When to poll: one heap of times for all the jobs of an event loop, and one timer."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from flyte_connectors._calls.per_loop import PerLoop

_AT_ONCE = 100  # woken between two turns of the event loop


class Alarms:
    """Wakes very many waiting runs, each at its time; a timer of asyncio's for each costs several times as much."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float) -> asyncio.Future[None]:
        """A future that is done at `when`, by the event loop's clock."""
        future = self._loop.create_future()
        heapq.heappush(self._waiting, (when, next(self._numbers), future))
        if self._waiting[0][2] is future:
            self._set_timer()
        return future

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._waiting[0][0], self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._loop.time()
        for _ in range(_AT_ONCE):
            if not self._waiting or self._waiting[0][0] > now:
                break
            future = heapq.heappop(self._waiting)[2]
            if not future.done():  # it may be cancelled
                future.set_result(None)
        if self._waiting:
            self._set_timer()


alarms: PerLoop[Alarms] = PerLoop(Alarms)
"""Those of the running event loop."""
