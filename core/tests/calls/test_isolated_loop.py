"""A loop of its own is bounded like a thread pool: a connector that blocks for good fills no memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from fake_jobs import until
from flyte_connectors._calls.isolation import LoopThread
from flyte_connectors.errors import RateLimitedError

CAPACITY = 3


class Stuck:
    """A loop whose only thread waits in a call.

    Attributes:
        began: How many calls have begun.
    """

    def __init__(self) -> None:
        self.loop = LoopThread("Mine loop", capacity=CAPACITY)
        self.began = 0
        self._go_on = threading.Event()

    async def call(self) -> None:
        self.began += 1
        self._go_on.wait(20)

    def begin(self) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.loop.run(self.call()))

    def free(self) -> None:
        self._go_on.set()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    stuck.free()
    stuck.loop.stop()


async def test_a_full_loop_asks_to_slow_down(stuck: Stuck) -> None:
    """By name, with how many are waiting; what waits is served once the loop is free."""
    calls = [stuck.begin() for _ in range(CAPACITY)]
    await until(lambda: stuck.began)
    with pytest.raises(RateLimitedError, match=r"^Mine loop has 3 calls waiting: try again later$"):
        await stuck.begin()
    assert stuck.began == 1
    stuck.free()
    await asyncio.gather(*calls)
    assert stuck.began == CAPACITY


async def test_a_call_that_was_left_still_counts(stuck: Stuck) -> None:
    """Callers with a deadline, one after the other, do not pile up behind the one that blocks."""
    calls = [stuck.begin() for _ in range(CAPACITY)]
    await until(lambda: stuck.began)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    with pytest.raises(RateLimitedError):
        await stuck.begin()
    stuck.free()
    await until(lambda: stuck.loop._ended == CAPACITY)
    await stuck.begin()
    assert stuck.began == 2, "those that were left before they began never began"


async def test_a_refused_call_leaves_no_trace(stuck: Stuck, recwarn: pytest.WarningsRecorder) -> None:
    """No coroutine that was never awaited, and no place taken."""
    calls = [stuck.begin() for _ in range(CAPACITY)]
    await until(lambda: stuck.began)
    for _ in range(10):
        with pytest.raises(RateLimitedError):
            await stuck.begin()
    stuck.free()
    await asyncio.gather(*calls)
    await until(lambda: stuck.loop._ended == CAPACITY)
    await asyncio.gather(*(stuck.begin() for _ in range(CAPACITY)))
    assert not recwarn.list
