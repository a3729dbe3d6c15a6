"""The door of a service that ends: who stands in it is let in before it closes.

gRPC cancels the calls that it has received but not yet handed over when a server stops, and Flyte
counts any error of a create as a failed attempt. So the service first takes what has arrived, and
keeps the replies until the stop has told every client to go elsewhere (GOAWAY, RFC 9113 section
6.8): who waits for a reply sends no next call through a closing door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_QUIET_SECONDS = 0.02  # the longest silence between two calls that are already on the way
_PATIENCE_SECONDS = 1.0  # for callers that do not wait for replies


class Drain:
    """Counts the calls that arrive, and holds replies back while the server closes."""

    def __init__(self) -> None:
        self._arrived = 0
        self._open = asyncio.Event()
        self._open.set()

    async def reply(self, work: Awaitable[T]) -> T:
        """What `work` answers, at once or, while the door closes, once it is closed."""
        self._arrived += 1
        try:
            return await work
        finally:  # an error is a reply, too
            if not self._open.is_set():
                await self._open.wait()

    async def quiet(self, limit: float) -> None:
        """Hold replies back, and return when no call arrives any more.

        Args:
            limit: Seconds, at most, if calls keep arriving.
        """
        self._open.clear()
        loop = asyncio.get_running_loop()
        end = loop.time() + min(limit, _PATIENCE_SECONDS)
        seen = -1
        while seen != self._arrived and loop.time() < end:
            seen = self._arrived
            await asyncio.sleep(_QUIET_SECONDS)

    def release(self) -> None:
        """Send the replies."""
        self._open.set()
