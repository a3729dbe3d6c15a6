"""The event loop that asynchronous clients run on: one for the process, in a separate thread.

A back end's methods are plain functions in threads, while connections over HTTP and SSH belong to the event
loop that opened them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from flyte_connectors.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def run(coroutine: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
    """The result of `coroutine`, run in the context of the caller.

    Args:
        coroutine: What to run.
        seconds: It is cancelled after this time.
        what: The subject of the sentence that the error is.

    Raises:
        ServiceUnavailableError: it took too long.
    """
    loop = _loop()
    result: concurrent.futures.Future[T] = concurrent.futures.Future()

    async def limited() -> None:
        try:
            result.set_result(await asyncio.wait_for(coroutine, seconds))
        except asyncio.TimeoutError:
            message = f"{what} gave no answer within {seconds:g} s"
            result.set_exception(ServiceUnavailableError(message))
        except BaseException as error:
            result.set_exception(error)

    tasks: set[asyncio.Task[None]] = set()

    def start() -> None:  # keeps the task: the loop itself refers to it weakly
        task = loop.create_task(limited())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.call_soon_threadsafe(start, context=contextvars.copy_context())
    return result.result()


def later(function: Callable[[], object]) -> None:
    """Have the loop call `function`."""
    _loop().call_soon_threadsafe(function)


def _loop() -> asyncio.AbstractEventLoop:
    """This process's loop: a forked child has none of its parent's threads."""
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            name = "batch-job-slurm"
            threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
        return loop


def _renew() -> None:
    global _lock  # noqa: PLW0603  (a thread of the parent may have held it)
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew)
