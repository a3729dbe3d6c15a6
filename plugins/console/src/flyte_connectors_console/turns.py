"""Spreads over time what is read for pages.

Jobs that write at the same moment, or whose pages were opened together, would be read at the same moment, again and
again, and Flyte's own calls would wait for all of these reads. In turn, they wait for one.
"""

from __future__ import annotations

import asyncio

BETWEEN = 0.005  # seconds


class Turns:
    """Lets one read after the other begin, of any job; used on one event loop."""

    def __init__(self) -> None:
        self._next = 0.0

    async def next(self) -> None:
        """Return when the caller may read."""
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now)
        self._next = turn + BETWEEN
        if turn > now:
            await asyncio.sleep(turn - now)
