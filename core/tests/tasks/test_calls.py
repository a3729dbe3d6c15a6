"""Calling tasks like functions, from sync and async code, however deep."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fake_jobs import until
from flyte_connectors.tasks.calls import (
    call_function,
    call_task,
    inherited,
    process_of_one_run,
    run_in_thread,
    run_sync,
)


async def _double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_plain_code_gets_the_result() -> None:
    """No loop is running: the call runs to its end."""
    assert call_task(_double, {"n": 3}) == 6


async def test_async_code_gets_an_awaitable() -> None:
    """A loop is running: the caller awaits."""
    assert await call_task(_double, {"n": 3}) == 6


def test_calls_from_plain_code_share_a_loop() -> None:
    """So that connectors can keep their clients from call to call."""

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run_sync(loop()) is run_sync(loop())


async def test_calls_from_a_tasks_thread_run_on_the_tasks_loop() -> None:
    """It owns the clients of the run, and goes on while the thread waits."""

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def plain() -> Any:
        return call_task(loop, {})

    assert await run_in_thread(plain, {}) is asyncio.get_running_loop()


def test_a_loop_that_waits_is_never_chosen() -> None:
    """However the calls are nested: a plain call on a loop makes that loop wait."""

    async def run_here(depth: int) -> int:
        return depth if depth == 0 else 1 + run_sync(run_here(depth - 1))

    def plain(depth: int) -> int:
        return depth if depth == 0 else 1 + run_sync(mixed(depth - 1))

    async def mixed(depth: int) -> int:
        if depth % 2:
            return call_function(plain, {"depth": depth})
        return await run_in_thread(plain, {"depth": depth})

    assert run_sync(run_here(4)) == 4
    assert run_sync(mixed(7)) == 7


def test_a_call_in_a_forked_child_runs() -> None:
    """The child has none of the parent's threads, neither there nor in a task's thread."""
    assert run_sync(_double(1)) == 2

    def forked() -> int:
        child = os.fork()
        if not child:
            os._exit(run_sync(_double(21)))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    async def task() -> int:
        return await run_in_thread(forked, {})

    assert forked() == 42
    assert run_sync(task()) == 42


async def test_nothing_is_started_after_a_cancellation() -> None:
    """A function that goes on all the same starts no new jobs."""
    running = threading.Event()
    started: list[int] = []

    async def work(n: int) -> None:
        started.append(n)
        running.set()
        await asyncio.sleep(60)

    def stubborn() -> None:
        for n in range(3):
            with contextlib.suppress(concurrent.futures.CancelledError):
                call_task(work, {"n": n})

    outer = asyncio.ensure_future(run_in_thread(stubborn, {}))
    await until(running.is_set)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert started == [0]


def test_threads_of_a_tasks_own_belong_to_the_run_of_the_process() -> None:
    """They see its variables, and their calls are cancelled with it."""
    variable: contextvars.ContextVar[str | None] = contextvars.ContextVar("variable", default=None)
    seen: list[str | None] = []
    running = threading.Event()

    async def work() -> None:
        seen.append(inherited(variable))
        running.set()
        await asyncio.sleep(60)

    def call() -> None:
        with pytest.raises(concurrent.futures.CancelledError):
            call_task(work, {})

    variable.set("the run's")
    with process_of_one_run() as calls:
        thread = threading.Thread(target=call)
        thread.start()
        assert running.wait(10)
        calls.cancel()
        thread.join(10)
    assert not thread.is_alive()
    assert seen == ["the run's"]


def test_an_error_is_the_callers() -> None:
    """As if it had been raised here."""

    async def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError, match="k"):
        run_sync(fail())


def test_a_call_sees_its_callers_context() -> None:
    """Such as the run that it belongs to."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")

    async def look() -> str:
        return variable.get()

    assert run_sync(look()) == "here"


def test_calls_nest() -> None:
    """A plain function that a task runs in a thread may call tasks as plain code does."""

    def plain(n: int) -> int:
        return int(call_task(_double, {"n": n})) + 1

    async def task(n: int) -> int:
        return await run_in_thread(plain, {"n": n})

    assert call_task(task, {"n": 3}) == 7


async def test_a_plain_call_in_async_code_waits() -> None:
    """And tasks within it are called as from plain code, although a loop is running outside."""

    def plain(n: int) -> int:
        return int(call_task(_double, {"n": n})) + 1

    assert call_function(plain, {"n": 3}) == 7


def test_a_plain_call_in_plain_code_is_just_that() -> None:
    """No thread, no loop."""
    assert call_function(threading.get_ident, {}) == threading.get_ident()


def test_a_plain_call_within_the_shared_loop_does_not_hang() -> None:
    """That loop waits for it, so tasks within it run elsewhere."""

    def plain(n: int) -> int:
        return int(call_task(_double, {"n": n}))

    async def blocking_outer() -> int:
        return call_function(plain, {"n": 4})

    assert run_sync(blocking_outer()) == 8


async def test_cancelling_the_outermost_cancels_them_all() -> None:
    """And waits for what they do about it, such as deleting their jobs."""
    running = threading.Event()
    cleaned_up: list[str] = []

    async def inner() -> None:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)
            cleaned_up.append("inner")
            raise

    def plain() -> Any:
        return call_task(inner, {})

    outer = asyncio.ensure_future(run_in_thread(plain, {}))
    await until(running.is_set)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert cleaned_up == ["inner"]


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Python's own handling of it, which a process in the background of a shell does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_cancels_and_waits() -> None:
    """The call cleans up before KeyboardInterrupt is raised."""
    cleaned_up: list[str] = []

    async def work() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cleaned_up.append("work")
            raise

    with pytest.raises(KeyboardInterrupt):
        run_sync(work())
    assert cleaned_up == ["work"]


def test_a_call_that_cancels_itself_is_cancelled() -> None:
    """The caller is told, and does not hang."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(concurrent.futures.CancelledError):
        run_sync(cancelled())
