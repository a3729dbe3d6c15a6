"""How long a call blocks the event loop, and where in its code."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from flyte_connectors.errors import ConnectorError

LONGEST_BLOCK_SECONDS = 0.1
_BEAT_SECONDS = 0.002
_SAMPLE_SECONDS = 0.02
_FRAMES = 6


class Block(NamedTuple):
    """A time in which the loop ran nothing else.

    Attributes:
        seconds: How long.
        stack: Where the loop's thread was then, outermost first; empty if that was too short to see.
    """

    seconds: float
    stack: str


async def longest_block(call: Callable[[], Awaitable[object]]) -> Block:
    """The longest block of the running loop while `call` is under way."""
    pulse = _Pulse()
    beating = asyncio.ensure_future(pulse.beat())
    await asyncio.sleep(0)
    watching = threading.Thread(target=pulse.watch, args=(threading.get_ident(),))
    watching.start()
    try:
        with contextlib.suppress(ConnectorError):  # another rule's matter
            await call()
        await asyncio.sleep(2 * _BEAT_SECONDS)
    finally:
        beating.cancel()
        pulse.stopped.set()
        watching.join()
    return Block(pulse.longest, pulse.stack)


class _Pulse:
    """Beats on the loop; a thread notices when it stops."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.longest = 0.0
        self.stack = ""
        self.stopped = threading.Event()

    async def beat(self) -> None:
        self.last = time.monotonic()
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self.longest, self.last = max(self.longest, now - self.last), now

    def watch(self, loop_thread: int) -> None:
        while not self.stopped.wait(_SAMPLE_SECONDS):
            if time.monotonic() - self.last > max(LONGEST_BLOCK_SECONDS / 2, self.longest):
                frame = sys._current_frames()[loop_thread]  # noqa: SLF001  (the documented way)
                self.stack = "".join(traceback.format_stack(frame)[-_FRAMES:])
