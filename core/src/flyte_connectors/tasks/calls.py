"""Calling a task like a function, from sync and async code alike.

    plain code, no loop running      the call runs to its end and returns the outputs
    inside a running event loop      the call returns a coroutine: await it

Calls from plain code share one event loop in a thread of its own, so that connectors can keep their
clients from call to call. However deep the calls are nested, cancelling the outermost one cancels
them all, and waits for what they do about that, such as deleting their jobs.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _Cancellation:
    """The calls that a function has made and that still run, so that they can be cancelled."""

    def __init__(self) -> None:
        self._calls: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}

    def add(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._calls[task] = loop
        task.add_done_callback(lambda task: self._calls.pop(task, None))

    def cancel(self) -> None:
        for task, loop in list(self._calls.items()):
            with contextlib.suppress(RuntimeError):  # that loop has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)


_cancellation: contextvars.ContextVar[_Cancellation | None] = contextvars.ContextVar(
    "cancellation", default=None
)
_LONGEST_WAIT = 0.5  # seconds
_loop_waits: contextvars.ContextVar[bool] = contextvars.ContextVar("loop_waits", default=False)
"""Set in a thread that an event loop waits for, perhaps the shared one: it needs a loop of its own."""


def call_task(execute: Callable[..., Coroutine[Any, Any, Any]], inputs: Mapping[str, Any]) -> Any:
    """The outputs of `execute(**inputs)`, or a coroutine of them where a loop is running."""
    coroutine = execute(**inputs)
    return coroutine if _loop_is_running() else run_sync(coroutine)


def call_function(function: Callable[..., T], inputs: Mapping[str, Any]) -> T:
    """The result of a plain function, with tasks inside it callable as from plain code.

    Where a loop is running, the function gets a thread without one, and the loop waits: that is what
    a plain call in async code means.
    """
    if not _loop_is_running():
        return function(**inputs)
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="task") as thread:
        context = contextvars.copy_context()
        context.run(_loop_waits.set, True)
        return thread.submit(context.run, functools.partial(function, **inputs)).result()


async def run_in_thread(function: Callable[..., T], inputs: Mapping[str, Any]) -> T:
    """The result of a plain function, run in a thread; cancelling cancels the tasks it has called."""
    cancellation = _Cancellation()
    context = contextvars.copy_context()
    context.run(_cancellation.set, cancellation)
    call = functools.partial(context.run, functools.partial(function, **inputs))
    running = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancellation.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of `coroutine`, run on the shared loop.

    Ctrl-C cancels it; a second Ctrl-C does not wait for its end.
    """
    if _loop_waits.get():
        return asyncio.run(coroutine)
    loop = _shared_loop()
    context = contextvars.copy_context()
    outer = _cancellation.get()
    mine = _Cancellation()
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


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@functools.lru_cache(maxsize=1)
def _shared_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="flyte-connectors-tasks", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Let the connectors' async generators close their clients before the interpreter ends."""
    closing = asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop)
    with contextlib.suppress(Exception):
        closing.result(timeout=1)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=1)
    if not thread.is_alive():
        loop.close()
