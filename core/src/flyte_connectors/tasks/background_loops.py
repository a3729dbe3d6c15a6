"""Event loops in background threads, for calls from plain code. They live as long as the process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Container

_loops: dict[asyncio.AbstractEventLoop, threading.Thread] = {}
_lock = threading.Lock()


def loop_besides(waiting: Container[asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
    """The first loop that is none of those that wait; a new one where they all do."""
    with _lock:
        return next((loop for loop in _loops if loop not in waiting), None) or _start()


def _start() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="flyte-connectors-tasks", daemon=True)
    thread.start()
    _loops[loop] = thread
    return loop


@atexit.register
def _end() -> None:
    """Let the connectors' async generators close their clients before the interpreter ends."""
    for loop, thread in _loops.items():
        closing = asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop)
        with contextlib.suppress(Exception):
            closing.result(timeout=1)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1)
        if not thread.is_alive():
            loop.close()


def _forget() -> None:
    """Start anew in a forked child: it has the loops, but none of their threads."""
    global _lock  # noqa: PLW0603  (a thread that the child does not have may hold it)
    _lock = threading.Lock()
    _loops.clear()


os.register_at_fork(after_in_child=_forget)
