"""Keep one connector's blocking from being felt by the others.

Plain functions run in a thread pool of their connector. Coroutines share the service's event loop,
until one of them is caught blocking it: from then on its connector's coroutines run on a loop of
their own, in a thread of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import traceback
import types
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from flyte_connectors.errors import RateLimitedError

T = TypeVar("T")
logger = logging.getLogger(__name__)


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
        self.pending = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function()`, called in a thread.

        Raises:
            RateLimitedError: the queue is full.
        """
        if self.pending >= self.capacity:
            message = f"{self.name} has {self.pending} calls waiting: try again later"
            raise RateLimitedError(message)
        with self._lock:
            self.pending += 1
        future = self._executor.submit(function)
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def shut_down(self) -> None:
        """Stop taking calls; those that run are left to end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: object) -> None:
        with self._lock:
            self.pending -= 1


class LoopThread:
    """An event loop in a thread of its own, for a connector that blocks.

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
            message = f"{self._name} has {pending} calls waiting: try again later"
            raise RateLimitedError(message)
        self._begun += 1
        left = threading.Event()

        async def unless_left() -> T:
            if left.is_set():  # blocking for nobody would only delay the next
                coroutine.close()
                raise asyncio.CancelledError
            return await coroutine

        try:
            return await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(unless_left(), self._loop)
            )
        finally:
            left.set()
            # Queued behind the call, which keeps its place until the loop has come to it.
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._end)

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


_IMPORT_SYSTEM = "<frozen importlib"  # file names of importlib's own frames


class LoopWatch:
    """Notices code that blocks the running event loop, and whose it is.

    A thread samples the loop's stack. If the loop is inside a call of the guard, it is asked to run a
    callback; if that has not run by a later sample, the same call has blocked the loop all the while.
    Costs nothing on the path of a call.

    Args:
        entries: Code objects of the functions whose frames mark a guarded call.
        on_block: Called in the loop's thread, once it is free again, with the locals of that frame,
            the stack as text, and the seconds it was blocked for at least.
        threshold: Seconds that a step may take.
    """

    def __init__(
        self,
        entries: Collection[types.CodeType],
        on_block: Callable[[dict[str, Any], str, float], None],
        *,
        threshold: float = 0.05,
    ) -> None:
        self._entries = entries
        self._on_block = on_block
        self._threshold = threshold
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Watch the running loop of this thread until `stop`."""
        self._loop = asyncio.get_running_loop()
        loop_thread = threading.get_ident()
        threading.Thread(
            target=self._watch, args=(loop_thread,), name="loop-watch", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _watch(self, loop_thread: int) -> None:
        while not self._stopped.wait(2 * self._threshold):
            try:
                if self._guarded_frame(loop_thread) is not None:
                    self._confirm(loop_thread)
            except Exception:  # the frames belong to a thread that goes on meanwhile
                logger.debug("a look at the loop's stack failed", exc_info=True)

    def _confirm(self, loop_thread: int) -> None:
        alive = threading.Event()
        if not self._call_soon(alive.set) or alive.wait(self._threshold):
            return
        frame = self._guarded_frame(loop_thread)
        if frame is None:
            return
        culprit = dict(frame.f_locals)
        stack = "".join(traceback.format_stack(sys._current_frames().get(loop_thread))[-6:])  # noqa: SLF001
        del frame
        self._call_soon(lambda: self._on_block(culprit, stack, self._threshold))
        while not (alive.wait(self._threshold) or self._stopped.is_set()):
            pass

    def _call_soon(self, callback: Callable[[], object]) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            assert self._loop is not None
            self._loop.call_soon_threadsafe(callback)
            return True
        return False

    def _guarded_frame(self, loop_thread: int) -> types.FrameType | None:
        """The frame of the guarded call that the loop is in; None while it imports, which it does once."""
        frame = sys._current_frames().get(loop_thread)  # noqa: SLF001  (the documented way to sample)
        while frame is not None:
            if frame.f_code in self._entries:
                return frame
            if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
                return None
            frame = frame.f_back
        return None
