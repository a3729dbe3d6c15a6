"""Calling a task like a function, from sync and async code alike.

    plain code, no loop running      the call runs to its end and returns the outputs
    inside a running event loop      the call returns a coroutine: await it

Calls from plain code run on one shared event loop in a background thread, so that connectors can keep their
clients from call to call; inside a task that runs in a thread they run on the task's loop. A loop that waits
for the call itself is never chosen. However deep the calls are nested, cancelling the
outermost one cancels them all, and waits for what they do about that, such as deleting their jobs.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import threading
from collections.abc import Callable, Container, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_LONGEST_WAIT = 0.5  # seconds


class Cancellation:
    """The calls that a function has made and that still run, so that they can be cancelled."""

    def __init__(self) -> None:
        self._calls: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._is_cancelled = False

    def add(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Cancel this call with the others; called on its loop."""
        self._calls[task] = loop
        task.add_done_callback(lambda task: self._calls.pop(task, None))
        if self._is_cancelled:
            task.cancel()

    def cancel(self) -> None:
        """Cancel them, and those that are still to come."""
        self._is_cancelled = True
        for task, loop in list(self._calls.items()):
            with contextlib.suppress(RuntimeError):  # that loop has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)


_cancellation: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar("cancellation", default=None)
_home: contextvars.ContextVar[tuple[asyncio.AbstractEventLoop, int] | None] = contextvars.ContextVar(
    "home", default=None
)
"""The loop that has started this thread and still runs, and its process."""

_waiting: contextvars.ContextVar[frozenset[asyncio.AbstractEventLoop]] = contextvars.ContextVar(
    "waiting", default=frozenset()
)
"""The loops whose threads wait for this call: nothing runs on them until it ends."""

_process: list[contextvars.Context] = []
"""The context of the run that the whole process is for, if it is for one."""


def inherited(variable: contextvars.ContextVar[T | None]) -> T | None:
    """The value of a variable, in threads that a task's own code has started as in the task's."""
    value = variable.get()
    return _process[-1].get(variable) if value is None and _process else value


@contextlib.contextmanager
def process_of_one_run() -> Iterator[Cancellation]:
    """Within this block, calls from threads that know of no run belong to the block's.

    Python hands no context on to new threads, such as those of a pool in a task's function.

    Yields:
        What cancels these calls.
    """
    cancellation = Cancellation()
    context = contextvars.copy_context()
    context.run(_cancellation.set, cancellation)
    _process.append(context)
    try:
        yield cancellation
    finally:
        _process.remove(context)


def call_task(execute: Callable[..., Coroutine[Any, Any, Any]], inputs: Mapping[str, Any]) -> Any:
    """The outputs of `execute(**inputs)`, or a coroutine of them where a loop is running."""
    coroutine = execute(**inputs)
    return coroutine if _running_loop() else run_sync(coroutine)


def call_function(function: Callable[..., T], inputs: Mapping[str, Any]) -> T:
    """The result of a plain function, with tasks inside it callable as from plain code.

    Where a loop is running, the function gets a thread without one, and the loop waits: that is what
    a plain call in async code means.
    """
    loop = _running_loop()
    if loop is None:
        return function(**inputs)
    context = contextvars.copy_context()
    context.run(_waiting.set, _waiting.get() | {loop})
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="task") as thread:
        return thread.submit(context.run, functools.partial(function, **inputs)).result()


async def run_in_thread(function: Callable[..., T], inputs: Mapping[str, Any]) -> T:
    """The result of a plain function, run in a thread; cancelling cancels the tasks it has called."""
    cancellation = Cancellation()
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    context.run(_cancellation.set, cancellation)
    context.run(_home.set, (loop, os.getpid()))
    call = functools.partial(context.run, functools.partial(function, **inputs))
    running = loop.run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancellation.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of `coroutine`, run on another thread's loop.

    Ctrl-C cancels it; a second Ctrl-C does not wait for its end.
    """
    here = _running_loop()
    waiting = _waiting.get() | ({here} if here else frozenset())
    loop, process = _home.get() or (None, 0)
    if loop is None or loop in waiting or process != os.getpid() or not loop.is_running():
        loop = loop_besides(waiting)
    context = contextvars.copy_context()
    context.run(_waiting.set, waiting)
    outer = inherited(_cancellation)
    mine = Cancellation()
    ended: concurrent.futures.Future[T] = concurrent.futures.Future()

    def start() -> None:
        task = context.run(loop.create_task, coroutine)
        for cancellation in filter(None, (outer, mine)):
            cancellation.add(task, loop)
        task.add_done_callback(lambda task: _hand_over(task, ended))

    try:
        loop.call_soon_threadsafe(start)
        # A signal that comes just before a thread begins to wait is only seen when it stops to.
        while not concurrent.futures.wait((ended,), timeout=_LONGEST_WAIT).done:
            pass
        return ended.result()
    except KeyboardInterrupt:
        loop.call_soon_threadsafe(mine.cancel)  # after the start, however soon Ctrl-C came
        concurrent.futures.wait((ended,))
        raise


def _hand_over(task: asyncio.Task[T], ended: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        ended.set_exception(concurrent.futures.CancelledError())
    elif (error := task.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(task.result())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


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
