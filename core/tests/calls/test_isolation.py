"""Threads and loops that keep one connector's blocking to itself."""

# Coroutines that block are what is tested.
# ruff: noqa: ASYNC251

from __future__ import annotations

import asyncio
import contextvars
import importlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_jobs import until
from flyte_connectors._calls.isolation import LoopThread, ThreadPool
from flyte_connectors._calls.loop_watch import LoopWatch
from flyte_connectors.errors import RateLimitedError


async def test_a_pool_runs_as_many_calls_as_it_has_threads() -> None:
    """The next one waits."""
    pool = ThreadPool("mine", threads=2, backlog=10)
    running: list[str] = []
    go_on = threading.Event()

    def call() -> None:
        running.append(threading.current_thread().name)
        go_on.wait(10)

    calls = [asyncio.ensure_future(pool.run(call)) for _ in range(3)]
    await until(lambda: len(running) == 2)
    assert pool.pending == 3
    assert len(running) == 2
    go_on.set()
    await asyncio.gather(*calls)
    assert len(running) == 3
    assert all(name.startswith("mine") for name in running)
    await until(lambda: pool.pending == 0)
    pool.shut_down()


def test_a_pool_starts_anew_in_a_forked_child() -> None:
    """None of the parent's threads are there, and nothing waits for them."""
    pool = ThreadPool("mine", threads=1, backlog=1)
    assert asyncio.run(pool.run(lambda: 1)) == 1
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends a child that hangs
        os._exit(asyncio.run(pool.run(lambda: 42)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    pool.shut_down()


async def test_a_full_pool_asks_to_slow_down() -> None:
    """At once, by name; and it takes calls again when there is room."""
    pool = ThreadPool("mine", threads=1, backlog=1)
    go_on = threading.Event()
    calls = [asyncio.ensure_future(pool.run(lambda: go_on.wait(10))) for _ in range(2)]
    await until(lambda: pool.pending == 2)
    with pytest.raises(RateLimitedError, match="mine has 2 calls waiting: try again later"):
        await pool.run(lambda: None)
    go_on.set()
    await asyncio.gather(*calls)
    await until(lambda: pool.pending == 0)
    assert await pool.run(lambda: 7) == 7
    pool.shut_down()


async def test_a_call_that_was_left_still_counts() -> None:
    """Its thread is busy, whoever waits for it."""
    pool = ThreadPool("mine", threads=1, backlog=0)
    started, go_on = threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        go_on.wait(10)

    left = asyncio.ensure_future(pool.run(call))
    await until(started.is_set)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    with pytest.raises(RateLimitedError):
        await pool.run(lambda: None)
    go_on.set()
    await until(lambda: pool.pending == 0)
    pool.shut_down()


async def test_a_call_that_never_began_frees_its_place() -> None:
    """A caller that leaves the queue makes room in it."""
    pool = ThreadPool("mine", threads=1, backlog=1)
    go_on = threading.Event()
    first = asyncio.ensure_future(pool.run(lambda: go_on.wait(10)))
    await until(lambda: pool.pending == 1)
    queued = asyncio.ensure_future(pool.run(lambda: None))
    await until(lambda: pool.pending == 2)
    queued.cancel()
    await until(lambda: pool.pending == 1)
    go_on.set()
    await first
    pool.shut_down()


async def test_an_error_in_a_thread_is_the_callers() -> None:
    """As if it had been called here."""
    pool = ThreadPool("mine", threads=1, backlog=1)
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    pool.shut_down()


async def test_a_loop_of_its_own_runs_elsewhere_and_keeps_the_context() -> None:
    """Result, error, context variables and cancellation all cross over."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    loop = LoopThread("other loop")
    cancelled = threading.Event()
    waiting = threading.Event()

    async def look() -> tuple[str, str]:
        return threading.current_thread().name, variable.get()

    async def fail() -> None:
        raise KeyError("k")

    async def wait() -> None:
        waiting.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert await loop.run(look()) == ("other loop", "here")
    with pytest.raises(KeyError):
        await loop.run(fail())
    call = asyncio.ensure_future(loop.run(wait()))
    await until(waiting.is_set)
    call.cancel()
    await until(cancelled.is_set)
    loop.stop()
    await until(lambda: "other loop" not in [thread.name for thread in threading.enumerate()])


async def test_a_loop_of_its_own_finishes_what_was_left_open() -> None:
    """A generator that nobody read to its end closes what it holds, such as a connection."""
    closed = threading.Event()

    async def lines() -> AsyncIterator[str]:
        try:
            yield "first"
            yield "second"
        finally:
            closed.set()

    generator = lines()

    async def read() -> str:
        return await anext(generator)

    loop = LoopThread("other loop")
    assert await loop.run(read()) == "first"
    loop.stop()
    await until(closed.is_set)


class _Watched:
    """A loop with a watch over calls of `entry`."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str, float]] = []
        self.watch = LoopWatch({_Watched.entry.__code__}, self._report, threshold=0.03)

    async def entry(self, name: str, step: Any) -> None:
        await step()

    def _report(self, frame: dict[str, Any], stack: str, seconds: float) -> None:
        self.reports.append((frame["name"], stack, seconds))


async def _block_for_a_while() -> None:
    time.sleep(0.3)


async def test_a_blocking_call_is_named() -> None:
    """Whose it is, where it stands, and for how long at least."""
    watched = _Watched()
    watched.watch.start()
    try:
        await watched.entry("culprit", _block_for_a_while)
        await until(lambda: watched.reports)
    finally:
        watched.watch.stop()
    (report,) = watched.reports
    name, stack, seconds = report
    assert name == "culprit"
    assert "_block_for_a_while" in stack
    assert seconds == 0.03


async def test_only_the_blocking_call_is_named() -> None:
    """Neither those that wait at the same time, nor code outside of any call."""
    watched = _Watched()
    watched.watch.start()
    try:
        innocent = asyncio.ensure_future(watched.entry("innocent", lambda: asyncio.sleep(0.4)))
        await asyncio.sleep(0)
        await _block_for_a_while()
        await watched.entry("culprit", _block_for_a_while)
        await innocent
    finally:
        watched.watch.stop()
    assert {name for name, _, _ in watched.reports} == {"culprit"}


async def test_an_import_is_forgiven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first call may import what it needs: that happens once, however long it takes."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def import_it() -> None:
        importlib.import_module("slow_to_import")

    watched = _Watched()
    watched.watch.start()
    try:
        await watched.entry("importer", import_it)
        await watched.entry("culprit", _block_for_a_while)
        await until(lambda: watched.reports)
    finally:
        watched.watch.stop()
    assert [name for name, _, _ in watched.reports] == ["culprit"]


async def test_a_watch_ends() -> None:
    """No thread is left behind."""
    watched = _Watched()
    watched.watch.start()
    watched.watch.stop()
    await until(lambda: "loop-watch" not in [thread.name for thread in threading.enumerate()])


@pytest.mark.parametrize(("runnable", "blamed"), [(True, 0), (False, 1)])
async def test_a_thread_that_gets_no_processor_is_not_taken_for_blocked(
    monkeypatch: pytest.MonkeyPatch, *, runnable: bool, blamed: int
) -> None:
    """The system adds up a wait only when it ends: one that goes on is a thread that wants to run and does not."""
    from flyte_connectors._calls import loop_watch

    monkeypatch.setattr(loop_watch.LoopWatch, "_times", lambda _: loop_watch._Times(1.0, 1.0, runnable))
    found: list[float] = []

    def entry() -> None:
        time.sleep(0.4)

    watch = loop_watch.LoopWatch([entry.__code__], lambda *seen: found.append(seen[2]))
    watch.start()
    try:
        entry()
        await asyncio.sleep(0.1)
    finally:
        watch.stop()
    assert len(found) == blamed
