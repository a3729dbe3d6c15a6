"""A connector that runs on a loop of its own: how it comes back, and what its items cost meanwhile."""

# Coroutines that block are what is tested.
# ruff: noqa: ASYNC251

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_jobs import until
from flyte_connectors import AsyncConnector, ResourceMeta
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._registry.binding import bind
from flyte_connectors.bound import BoundConnector
from flyte_connectors.errors import InternalError

TERM = 0.6  # seconds
BLOCK = 0.25  # seconds


class Meta(ResourceMeta):
    pass


class Sometimes(AsyncConnector[Meta]):
    """Blocks where it is told to; its log has as many lines as asked for.

    Attributes:
        blocks: Whether it blocks.
        closed: Whether its last log was closed.
    """

    name = "Sometimes"
    task_type_name = "sometimes"
    metadata_type = Meta
    blocks = True
    closed = False

    async def create(self, **_: Any) -> Meta:
        return Meta()

    async def get(self, **_: Any) -> Any:
        if self.blocks:
            time.sleep(BLOCK)
        return threading.current_thread().name

    async def delete(self, **_: Any) -> None:
        pass

    async def get_logs(self, lines: int, **_: Any) -> AsyncIterator[Any]:
        try:
            for number in range(lines):
                yield number
            if self.blocks:
                time.sleep(BLOCK)
                raise KeyError("the end")
        finally:
            self.closed = True


@pytest.fixture
async def guard() -> AsyncIterator[CallGuard]:
    """A guard with a short term, which watches the loop."""
    guard = CallGuard(isolate=True, term=TERM)
    guard.start()
    yield guard
    await guard.drain(5)


@pytest.fixture
async def connector(guard: CallGuard) -> BoundConnector:
    """A connector that has been caught, and blocks no more."""
    plugin = Sometimes()
    bound = bind(plugin, source="here")
    await caught(guard, bound)
    plugin.blocks = False
    return bound


async def caught(guard: CallGuard, bound: BoundConnector) -> None:
    """Have a connector block until that is seen: on a starved machine, a single time may not be."""
    while not guard.isolated:
        await guard.call(bound.verbs["get"], {})
        await asyncio.sleep(0.01)  # the watch reports to the loop, once that is free


async def test_one_that_blocks_no_more_comes_back(guard: CallGuard, connector: BoundConnector) -> None:
    """After its term, and without a restart of the service."""
    get = connector.verbs["get"]
    assert await guard.call(get, {}) == "Sometimes loop"
    await until(lambda: not guard.isolated)
    assert await guard.call(get, {}) == threading.current_thread().name


async def test_one_that_still_blocks_stays(guard: CallGuard, connector: BoundConnector) -> None:
    """Its own loop is watched, too, and its term begins anew with each time."""
    connector.plugin.blocks = True
    ends = time.monotonic() + 3 * TERM
    while time.monotonic() < ends:
        assert await guard.call(connector.verbs["get"], {}) == "Sometimes loop"


async def test_one_that_is_caught_again_stays_for_longer(guard: CallGuard, connector: BoundConnector) -> None:
    """Twice as long as the first time."""
    await until(lambda: not guard.isolated)
    connector.plugin.blocks = True
    await caught(guard, connector)
    connector.plugin.blocks = False
    began = time.monotonic()
    await until(lambda: not guard.isolated)
    assert time.monotonic() - began > 1.5 * TERM


async def test_a_blocking_log_keeps_its_connector_there(guard: CallGuard, connector: BoundConnector) -> None:
    """Items before the block arrive, and so does the error after it."""
    connector.plugin.blocks = True
    began = time.monotonic()
    stream = guard.stream(connector.verbs["get_logs"], {"lines": 3})
    assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InternalError):
        await anext(stream)
    connector.plugin.blocks = False
    await until(lambda: not guard.isolated)
    assert time.monotonic() - began > TERM + BLOCK - 0.1


async def test_items_cross_over_many_at_a_time(guard: CallGuard, connector: BoundConnector) -> None:
    """Complete, in order, and without a wake-up of both loops for each."""
    began = time.perf_counter()
    items = [item async for item in guard.stream(connector.verbs["get_logs"], {"lines": 20_000})]
    assert items == list(range(20_000))
    assert time.perf_counter() - began < 2  # it took eight seconds, one by one
    assert connector.plugin.closed


async def test_items_that_nobody_reads_are_not_fetched(guard: CallGuard, connector: BoundConnector) -> None:
    """The connector waits for its reader, and is closed when that leaves."""
    stream = guard.stream(connector.verbs["get_logs"], {"lines": 10**9})
    assert await anext(stream) == 0
    await asyncio.sleep(0.1)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    await until(lambda: connector.plugin.closed)
