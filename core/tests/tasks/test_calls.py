"""Calling tasks like functions, from sync and async code, however deep."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fake_jobs import until
from flyte_connectors.tasks.calls import call_function, call_task, run_in_thread, run_sync


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
