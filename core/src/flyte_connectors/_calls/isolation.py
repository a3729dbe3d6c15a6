"""Isolation: a connector that blocks does not delay the others.

Plain functions run in a thread pool of their connector. Coroutines share the service's event loop,
until one of them blocks it: then its connector's coroutines run on a separate loop in a separate thread,
until they have not blocked it for some time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from flyte_connectors.errors import RateLimitedError

if TYPE_CHECKING:
    from flyte_connectors._calls.loop_watch import LoopWatch

T = TypeVar("T")
logger = logging.getLogger(__name__)

_LONGEST_TERM = 6 * 3600.0  # seconds


class ThreadPool:
    """A bounded thread pool with a bounded queue, started with its first call.

    Args:
        name: Prefix of the thread names.
        threads: How many calls run at once.
        backlog: How many more may wait.

    Attributes:
        pending: Calls that run or wait.
    """

    def __init__(self, name: str, *, threads: int, backlog: int) -> None:
        self.name = name
        self.capacity = threads + backlog
        self._threads = threads
        self._start()

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function()`, called in a thread.

        Raises:
            RateLimitedError: the queue is full.
        """
        if self._process != os.getpid():
            self._start()  # a forked child has none of the threads
        if self.pending >= self.capacity:
            raise RateLimitedError(f"{self.name} has {self.pending} calls waiting: try again later")
        with self._lock:
            self.pending += 1
        future = self._executor.submit(function)
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _start(self) -> None:
        self._process = os.getpid()
        self.pending = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix=self.name)

    def shut_down(self) -> None:
        """Accept no more calls; running ones complete."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: object) -> None:
        with self._lock:
            self.pending -= 1


class Lane:
    """Where the calls of one connector run.

    Args:
        name: The connector's name.
        threads: How many plain functions run at once.
        backlog: How many more calls may wait.
        watch: Makes the watch of the separate loop.
        term: Seconds on it without blocking, after which the connector goes back to the shared loop. Twice
            as many each time it has to leave that again.

    Attributes:
        pool: Its threads.
    """

    def __init__(self, name: str, *, threads: int, backlog: int, watch: Callable[[], LoopWatch], term: float) -> None:
        self.pool = ThreadPool(name, threads=threads, backlog=backlog)
        self._name = name
        self._new_watch = watch
        self._term = term / 2
        self._until = 0.0
        self._own: LoopThread | None = None  # kept: the connector's clients may be bound to it
        self._watch: LoopWatch | None = None

    @property
    def loop(self) -> LoopThread | None:
        """The separate loop, while the connector is isolated."""
        if self._until and time.monotonic() >= self._until:
            self._until = 0.0
            logger.info(
                "%s has not blocked its event loop for %g s; its calls run on the shared loop again",
                self._name,
                self._term,
            )
        return self._own if self._until else None

    def isolate(self) -> bool:
        """Isolate the connector, or extend its isolation; return whether it was not isolated before."""
        is_new = self.loop is None
        if self._own is None:
            self._own = LoopThread(f"{self._name} loop", capacity=self.pool.capacity)
            self._watch = self._new_watch()
            self._own.call_soon(self._watch.start)
        if is_new:
            self._term = min(2 * self._term, _LONGEST_TERM)
        self._until = time.monotonic() + self._term
        return is_new

    def shut_down(self) -> None:
        """Take no more calls."""
        self.pool.shut_down()
        if self._own is not None and self._watch is not None:
            self._watch.stop()
            self._own.stop()


class LoopThread:
    """An event loop in a separate thread, for a connector that blocks.

    Args:
        name: Name of the thread.
        capacity: How many calls may run or wait.
    """

    def __init__(self, name: str, *, capacity: int = 1000) -> None:
        self._name = name
        self._capacity = capacity
        self._begun = 0  # counted by the callers' thread
        self._ended = 0  # counted by this loop's
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of `coroutine`, run on this loop; cancelling the caller cancels it.

        Raises:
            RateLimitedError: too many calls run or wait.
        """
        pending = self._begun - self._ended
        if pending >= self._capacity:
            coroutine.close()
            raise RateLimitedError(f"{self._name} has {pending} calls waiting: try again later")
        self._begun += 1
        left = threading.Event()

        async def unless_left() -> T:
            if left.is_set():  # the caller has left: blocking would only delay the next
                coroutine.close()
                raise asyncio.CancelledError
            return await coroutine

        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(unless_left(), self._loop))
        finally:
            left.set()
            # Queued behind the call, which keeps its place until the loop has come to it.
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._end)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run `callback` on the loop."""
        self._loop.call_soon_threadsafe(callback)

    def stop(self) -> None:
        """End the loop after its current step."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _end(self) -> None:
        self._ended += 1

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
