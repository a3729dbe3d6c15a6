"""Tasks made of functions that call tasks of the fake connectors, in every way that Python has."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import flyte_connectors

from tests.fakes.tasks import FakeTask, quick

env = flyte_connectors.TaskEnvironment("nested")
slow = FakeTask("slow", inputs={"n": int}, outputs={"n": int})
hanging = FakeTask("hanging", inputs={"n": int}, plan={"phase": "RUNNING"})


@env.task
def plain(n: int) -> int:
    """A plain function calls a task."""
    return quick(n=n) + slow(n=n)


@env.task
async def awaiting(n: int) -> int:
    """An async function awaits one."""
    return await quick(n=n) + await slow(n=n)


@env.task
async def gathering(n: int) -> int:
    """And several at once."""
    return sum(await asyncio.gather(slow(n=n), slow(n=0), awaiting(n)))


@env.task
async def plain_in_async(n: int) -> int:
    """An async function calls a plain one, which calls a task: the loop waits."""
    return plain(n)


@env.task
def async_in_plain(n: int) -> int:
    """A plain function calls an async one, which calls a plain one."""
    return plain_in_async(n)  # type: ignore[return-value]  # a value, as no loop is running


@env.task
def own_loop(n: int) -> int:
    """A plain function runs a loop of its own."""
    return asyncio.run(awaiting.execute(n=n))


@env.task
def threads(n: int) -> int:
    """A plain function calls tasks in threads of its own, which know nothing of the run."""
    with ThreadPoolExecutor(3) as pool:
        return sum(pool.map(lambda part: slow(n=part), [n, n, 0]))


@env.task
async def in_thread(n: int) -> int:
    """An async function calls a task in a thread."""
    return await asyncio.to_thread(lambda: quick(n=n) + slow(n=n))


@env.task
async def run_in_loop(n: int) -> int:
    """An async function starts another run, as a notebook's cell does."""
    return flyte_connectors.run(plain, n).outputs()


@env.task
def hanging_threads(n: int) -> int:
    """Threads that call a task which does not end; more calls than threads."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: hanging(n=part), range(n)))
    return n


@env.task
def hanging_thread(n: int) -> int:
    """A thread without a pool, whose call goes on while the function waits for it."""
    thread = threading.Thread(target=lambda: hanging(n=n))
    thread.start()
    while thread.is_alive():
        time.sleep(0.01)
    return n


first = FakeTask("first", plan={"phase": "RUNNING", "log": ["of the first"]})
second = FakeTask("second", plan={"phase": "RUNNING", "log": ["of the second"]})


@env.task
def two_logs() -> None:
    """One job after the other."""
    first()
    second()
