"""Many calls at once, on one event loop that all connectors share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, driving, execution_of
from flyte_connectors.testing.rule import rule

LONGEST_BLOCK_SECONDS = 0.1
TRIES = 3
AT_ONCE = 20


class ConcurrencyRules:
    """Rules of sharing a process with others."""

    @rule()
    async def test_no_verb_blocks_the_loop(
        self, direct: Driver, task_request: pb.CreateTaskRequest
    ) -> None:
        """Blocking code belongs in a plain `def`, which runs in a thread."""
        meta = await direct.create(execution_of(task_request))
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: direct.create(execution_of(task_request)),
            "get": lambda: direct.get(meta),
            "get_logs": lambda: direct.log_page(meta),
            "delete": lambda: direct.delete(meta),
        }
        for verb in direct.bound.verbs:
            call = calls.get("create" if verb == "do" else verb)
            if call is not None:
                seconds = min([await _longest_gap(call) for _ in range(TRIES)])
                message = f"{verb} blocked the event loop for {seconds * 1000:.0f} ms"
                assert seconds < LONGEST_BLOCK_SECONDS, message

    @rule("get")
    async def test_gets_do_not_wait_for_each_other(
        self, direct: Driver, task_request: pb.CreateTaskRequest
    ) -> None:
        """Thousands of jobs are asked about by one process."""
        meta = await direct.create(task_request)
        await direct.get(meta)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await direct.get(meta)
        alone = loop.time() - started
        started = loop.time()
        await asyncio.gather(*(direct.get(meta) for _ in range(AT_ONCE)))
        together = loop.time() - started
        limit = max(1.0, AT_ONCE * alone / 2)
        message = f"{AT_ONCE} gets at once took {together:.1f} s, one alone {alone:.2f} s"
        assert together < limit, message

    @rule()
    async def test_nothing_is_left_behind(
        self, direct: Driver, task_request: pb.CreateTaskRequest
    ) -> None:
        """A task that outlives its call is nobody's, and dies with the process."""
        before = asyncio.all_tasks()
        meta = await direct.create(task_request)
        await direct.get(meta)
        await direct.delete(meta)
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() - before if not task.done()]
        for task in left:
            task.cancel()
        assert not left, f"tasks go on after the calls that started them: {left}"

    @rule()
    def test_it_works_on_a_second_loop(
        self, connector: Callable[[], Any], task_request: pb.CreateTaskRequest
    ) -> None:
        """A connector object may meet more than one event loop: tests, isolation, local runs."""
        shared = connector()

        async def once() -> None:
            async with driving(shared) as driver:
                meta = await driver.create(execution_of(task_request))
                await driver.get(meta)
                await driver.delete(meta)

        for _ in range(2):
            asyncio.run(once())


async def _longest_gap(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds for which the loop ran nothing else while `call` was under way."""
    loop = asyncio.get_running_loop()
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = loop.time()
        while True:
            await asyncio.sleep(0.002)
            now = loop.time()
            longest, last = max(longest, now - last), now

    beating = asyncio.ensure_future(beat())
    await asyncio.sleep(0)
    with contextlib.suppress(ConnectorError):  # another rule's matter
        await call()
    await asyncio.sleep(0.005)
    beating.cancel()
    return longest
