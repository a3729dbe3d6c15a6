"""Detects code that blocks an event loop, and which call it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

_IMPORT_SYSTEM = "<frozen importlib"  # file names of importlib's own frames
_SAMPLES = 2  # in a row that a threshold is made of
_LATE = 1.5  # times its length; a sample that took longer says nothing


class _Times(NamedTuple):
    """Seconds that a thread has run, and has waited for a processor; whether it wants to run now."""

    ran: float
    waited: float
    is_runnable: bool


class LoopWatch:
    """Detects code that blocks an event loop, and which call it belongs to.

    A thread samples the loop's stack. If the loop is inside a call of the guard, it is asked to run a
    callback; if that has not run after some samples in a row, the same call has blocked the loop all the while.
    Samples that came late are discarded, as are those in which the loop's thread waited for a processor: then
    the process was stopped or throttled, or the machine is busy, and the call is not the cause.
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
        self._thread = 0
        self._schedule = pathlib.Path()

    def start(self) -> None:
        """Watch the running loop of this thread until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._schedule = pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(2 * self._threshold):
            try:
                if self._guarded_frame() is not None:
                    self._confirm()
            except Exception:  # the frames belong to a running thread
                logger.debug("a look at the loop's stack failed", exc_info=True)

    def _confirm(self) -> None:
        alive = threading.Event()
        if not self._call_soon(alive.set):
            return
        before = frame = self._guarded_frame()
        samples = 0
        while samples < _SAMPLES:
            is_valid = self._sample(alive)
            if alive.is_set() or self._stopped.is_set():
                return
            before, frame = frame, self._guarded_frame()
            samples = samples + 1 if is_valid and frame is before else 0
            if frame is None:
                return
        assert frame is not None
        culprit = dict(frame.f_locals)
        stack = "".join(traceback.format_stack(sys._current_frames().get(self._thread))[-6:])  # noqa: SLF001
        del frame, before
        self._call_soon(lambda: self._on_block(culprit, stack, self._threshold))
        while not (alive.wait(self._threshold) or self._stopped.is_set()):
            pass

    def _sample(self, alive: threading.Event) -> bool:
        """Wait for the loop for a while; return whether it had the time and a processor to respond."""
        length = self._threshold / _SAMPLES
        started, before = time.monotonic(), self._times()
        alive.wait(length)
        took = time.monotonic() - started
        return took < _LATE * length and not self._is_starved(took, before, self._times())

    def _is_starved(self, took: float, before: _Times | None, after: _Times | None) -> bool:
        """Whether the loop's thread waited for a processor, where the system reports that."""
        if before is None or after is None:
            return False
        # A wait is counted when it ends; during it, the thread is runnable but does not run.
        waits = after.is_runnable and after.ran - before.ran < took / 2
        return waits or after.waited - before.waited >= took / 2

    def _times(self) -> _Times | None:
        """How long the loop's thread has run and waited so far; None where the system does not report that."""
        try:
            ran, waited = self._schedule.read_bytes().split()[:2]
            state = self._schedule.with_name("stat").read_bytes().rpartition(b")")[2].split()[0]
            return _Times(int(ran) / 1e9, int(waited) / 1e9, state == b"R")
        except (OSError, ValueError, IndexError):
            return None

    def _call_soon(self, callback: Callable[[], object]) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            assert self._loop is not None
            self._loop.call_soon_threadsafe(callback)
            return True
        return False

    def _guarded_frame(self) -> types.FrameType | None:
        """The frame of the guarded call that the loop is in; None while it imports, which it does once."""
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001  (the documented way to sample)
        while frame is not None:
            if frame.f_code in self._entries:
                return frame
            if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
                return None
            frame = frame.f_back
        return None
