"""The kit names the code that blocks the event loop."""

from __future__ import annotations

import asyncio
import time

from flyte_connectors.testing.blocking import LONGEST_BLOCK_SECONDS, longest_block


async def wait_politely() -> None:
    await asyncio.sleep(2 * LONGEST_BLOCK_SECONDS)


async def fall_asleep() -> None:
    await asyncio.sleep(0.01)
    time.sleep(3 * LONGEST_BLOCK_SECONDS)  # noqa: ASYNC251  (the point)


async def test_a_call_that_blocks_is_timed_and_named() -> None:
    """With the line that does it."""
    block = await longest_block(fall_asleep)
    assert block.seconds >= 2 * LONGEST_BLOCK_SECONDS
    assert "in fall_asleep" in block.stack
    assert "time.sleep(3 * LONGEST_BLOCK_SECONDS)" in block.stack


async def test_a_call_that_waits_is_no_block() -> None:
    """The best of a few: the machine may be busy."""
    blocks = [await longest_block(wait_politely) for _ in range(3)]
    assert min(block.seconds for block in blocks) < LONGEST_BLOCK_SECONDS
