"""Calling a task like a function, from sync and async code alike.

    plain code, no loop running      the call runs to its end and returns the outputs
    inside a running event loop      the call returns a coroutine: await it

Calls from plain code share one event loop in a thread of its own, so that connectors can keep their
clients from call to call.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def call_task(
    execute: Callable[..., Coroutine[Any, Any, Any]], inputs: Mapping[str, Any]
) -> Any:
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
        return thread.submit(context.run, functools.partial(function, **inputs)).result()


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of `coroutine`, run on the shared loop.

    Ctrl-C cancels it and waits for what it does about that, such as deleting its job; a second
    Ctrl-C stops waiting.
    """
    loop = _shared_loop()
    context = contextvars.copy_context()
    ended: concurrent.futures.Future[T] = concurrent.futures.Future()
    tasks: list[asyncio.Task[T]] = []

    def start() -> None:
        task = context.run(loop.create_task, coroutine)
        tasks.append(task)
        task.add_done_callback(lambda task: _hand_over(task, ended))

    loop.call_soon_threadsafe(start)
    try:
        return ended.result()
    except KeyboardInterrupt:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
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
    threading.Thread(target=loop.run_forever, name="flyte-connectors-tasks", daemon=True).start()
    return loop
