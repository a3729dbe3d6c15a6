"""A queue between two event loops that hands over items in batches."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any


class Channel:
    """A bounded queue between two event loops, whose reader is woken once for all that has come.

    Made on the reader's loop.

    Args:
        capacity: Items after which the writer waits.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._reader = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._is_told = False
        self._is_closed = False
        self._room: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def put(self, item: Any) -> None:
        """Add one item; called on the writer's loop."""
        self._items.append(item)
        if not self._is_told:
            self._is_told = True
            _call(self._reader, self._ready.set)
        while len(self._items) >= self._capacity:
            room = asyncio.Event()
            self._room = asyncio.get_running_loop(), room
            if len(self._items) >= self._capacity:  # it was not emptied before it could know
                await room.wait()

    def close(self) -> None:
        """Accept no more items; called on the reader's loop."""
        self._is_closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            self._ready.clear()
            self._is_told = False  # before a look: what comes later wakes this loop again
            while self._items:
                yield self._items.popleft()
            room, self._room = self._room, None
            if room is not None:
                _call(room[0], room[1].set)
            if self._is_closed and not self._items:
                return
            await self._ready.wait()


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # it has been closed
        loop.call_soon_threadsafe(callback)
