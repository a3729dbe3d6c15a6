"""Reads for pages are spread over time."""

from __future__ import annotations

import asyncio
import time

from flyte_connectors_console.turns import BETWEEN, Turns


async def test_reads_that_are_due_together_begin_one_after_the_other() -> None:
    """Each some time after the one before, in their order."""
    turns, begun = Turns(), list[tuple[int, float]]()

    async def read(number: int) -> None:
        await turns.next()
        begun.append((number, time.monotonic()))

    await asyncio.gather(*map(read, range(20)))
    assert [number for number, _ in begun] == list(range(20))
    assert begun[-1][1] - begun[0][1] >= 19 * BETWEEN - 0.001


async def test_a_read_that_is_due_alone_begins_at_once() -> None:
    """Whatever was read some time before."""
    turns = Turns()
    for _ in range(3):
        assert await asyncio.wait_for(asyncio.ensure_future(turns.next()), 1) is None
        await asyncio.sleep(2 * BETWEEN)
    waiting = turns.next()
    try:
        waiting.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits, though nobody else reads")


async def test_a_reader_that_has_left_holds_up_nobody() -> None:
    """As when the last page of a job is closed."""
    turns = Turns()
    left = [asyncio.ensure_future(turns.next()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in left:
        task.cancel()
    await asyncio.wait_for(turns.next(), 20 * BETWEEN + 1)
