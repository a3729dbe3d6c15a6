"""Time limits for very many calls: each ends in time, and none disturbs another."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
from fake_jobs import until
from flyte_connectors._calls.deadlines import RESOLUTION, Deadlines


async def test_a_call_is_cancelled_when_its_time_is_up() -> None:
    """Not before, and not much later."""
    deadlines = Deadlines()
    limit = deadlines.begin(0.1)
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(10)
    limit.end()
    assert limit.expired
    assert 0.1 <= time.monotonic() - began < 0.1 + RESOLUTION + 1


async def test_a_task_goes_on_after_its_call_expired() -> None:
    """The cancellation was the call's: the task itself is not cancelled."""
    limit = Deadlines().begin(0.01)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(10)
    limit.end()
    await asyncio.sleep(0)
    if sys.version_info >= (3, 11):
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_a_call_that_ended_is_left_alone() -> None:
    """Its task is not cancelled later."""
    deadlines = Deadlines()
    limit = deadlines.begin(0.01)
    limit.end()
    await asyncio.sleep(2 * RESOLUTION)
    assert not limit.expired


async def test_each_call_has_its_own_time() -> None:
    """Of a thousand, those that are late are cancelled, and only those."""
    deadlines = Deadlines()

    async def call(seconds: float, work: float) -> bool:
        limit = deadlines.begin(seconds)
        try:
            await asyncio.sleep(work)
        except asyncio.CancelledError:
            return limit.expired
        finally:
            limit.end()
        return False

    calls = [call(30, 0.01) if number % 2 else call(0.01, 30) for number in range(1000)]
    assert await asyncio.gather(*calls) == [number % 2 == 0 for number in range(1000)]


async def test_without_calls_nothing_runs() -> None:
    """No timer wakes an idle service; the next call starts it again."""
    deadlines = Deadlines()
    deadlines.begin(60).end()
    await until(lambda: not deadlines._tables.get().is_watching)
    limit = deadlines.begin(0.01)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(10)
    limit.end()
