"""One heap of times and one timer wake all waiting runs of an event loop."""

from __future__ import annotations

import asyncio
import gc

import virtual_time
from flyte_connectors.client.alarms import Alarms, alarms
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=40))
def test_each_wakes_at_its_time(waits: list[tuple[float, bool]]) -> None:
    """In whatever order they come, and whichever are cancelled meanwhile."""

    async def wake() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def wait(seconds: float) -> float:
            await alarms.get().at(start + seconds)
            return loop.time() - start - seconds

        waiting = [asyncio.ensure_future(wait(seconds)) for seconds, _ in waits]
        await asyncio.sleep(0)
        for one, (_, is_cancelled) in zip(waiting, waits, strict=True):
            if is_cancelled:
                one.cancel()
        late = await asyncio.gather(*waiting, return_exceptions=True)
        kept = [one for one, (_, is_cancelled) in zip(late, waits, strict=True) if not is_cancelled]
        assert all(isinstance(one, float) and -1e-6 < one < 0.001 for one in kept)

    virtual_time.run(wake())


async def test_the_loop_has_turns_while_very_many_wake() -> None:
    """Ten thousand at one time do not hold up what else runs."""
    loop = asyncio.get_running_loop()
    own = Alarms()
    now = loop.time()
    waiting = [own.at(now) for _ in range(10_000)]
    turns = 0
    while not waiting[-1].done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 50
    assert all(one.done() for one in waiting)


def test_each_event_loop_has_its_own() -> None:
    """Local runs may use several, one after the other."""

    async def wait() -> Alarms:
        await alarms.get().at(asyncio.get_running_loop().time() + 0.001)
        return alarms.get()

    first, second = asyncio.run(wait()), asyncio.run(wait())
    assert first is not second
    gc.collect()
