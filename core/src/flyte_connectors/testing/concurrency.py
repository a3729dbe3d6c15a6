"""Many calls at once, on one event loop that all connectors share."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.testing.blocking import LONGEST_BLOCK_SECONDS, longest_block
from flyte_connectors.testing.harness import Driver, driving, execution_of, until
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, CountsCalls

TRIES = 3
AT_ONCE = 12
OPEN_FILES = Path("/dev/fd")


class ConcurrencyRules:
    """Rules of sharing a process with others."""

    @rule()
    async def test_no_verb_blocks_the_loop(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """Blocking code belongs in a plain `def`, which runs in a thread."""
        meta = await direct.create(execution_of(task_request))
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: direct.create(execution_of(task_request)),
            "get": lambda: direct.get(meta),
            "get_logs": lambda: direct.log_page(meta),
            "get_metrics": lambda: direct.metrics(meta),
            "delete": lambda: direct.delete(meta),
        }
        for verb in direct.bound.verbs:
            call = calls.get("create" if verb == "do" else verb)
            if call is not None:
                block = min([await longest_block(call) for _ in range(TRIES)])
                message = f"{verb} blocked the event loop for {block.seconds * 1000:.0f} ms: make it a plain def"
                assert block.seconds < LONGEST_BLOCK_SECONDS, f"{message}, in\n{block.stack}"

    @rule("get")
    async def test_gets_do_not_wait_for_each_other(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """One process polls thousands of jobs."""
        job = await start(direct, service, task_request)
        await direct.get(job.meta)
        if isinstance(service, CountsCalls) and "get_many" not in direct.bound.verbs:
            await _all_arrive(direct, job.meta, service)
        else:
            await _all_are_quick(direct, job.meta)

    @rule()
    async def test_nothing_is_left_behind(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """A task that outlives its call is lost when the process ends."""
        before = asyncio.all_tasks()
        meta = await direct.create(task_request)
        await direct.get(meta)
        await direct.delete(meta)
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() - before if not task.done()]
        for task in left:
            task.cancel()
        assert not left, (
            f"tasks still run after the calls that started them: {left}; await or cancel them within the call"
        )

    @rule()
    async def test_calls_leave_nothing_open(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """Sockets and files that stay open add up until the process may open no more."""
        meta = await direct.create(task_request)

        async def call() -> None:
            if "get" in direct.bound.verbs:
                await direct.get(meta)
            else:
                await direct.create(execution_of(task_request))

        await call()
        before = _open_files()
        for _ in range(AT_ONCE):
            await call()
        opened = _open_files() - before
        assert opened < AT_ONCE / 2, f"{AT_ONCE} calls left {opened} files or sockets open: close or reuse clients"

    @rule()
    def test_it_works_on_a_second_loop(self, connector: Callable[[], Any], task_request: pb.CreateTaskRequest) -> None:
        """A connector object may meet more than one event loop: tests, isolation, local runs."""
        shared = connector()

        async def once() -> None:
            async with driving(shared) as driver:
                meta = await driver.create(execution_of(task_request))
                await driver.get(meta)
                await driver.delete(meta)

        for _ in range(2):
            asyncio.run(once())


def _open_files() -> int:
    if not OPEN_FILES.is_dir():
        pytest.skip(f"this system does not list open files in {OPEN_FILES}")
    gc.collect()  # what is garbage has been closed, if not as it should be
    return sum(1 for _ in OPEN_FILES.iterdir())


async def _all_arrive(driver: Driver, meta: bytes, service: Any) -> None:
    """Also while the service has answered none of them."""
    service.hang()
    before = service.calls()
    gets = [asyncio.ensure_future(driver.get(meta)) for _ in range(AT_ONCE)]
    try:
        await until(lambda: service.calls() - before >= AT_ONCE, f"{AT_ONCE} gets to arrive at once")
    finally:
        for get in gets:
            get.cancel()
        await asyncio.wait(gets)


async def _all_are_quick(driver: Driver, meta: bytes) -> None:
    """For a service that does not count its calls: in the best of a few tries, since machines are busy."""
    loop = asyncio.get_running_loop()
    shares = []
    for _ in range(TRIES):
        started = loop.time()
        await driver.get(meta)
        alone = loop.time() - started
        started = loop.time()
        await asyncio.gather(*(driver.get(meta) for _ in range(AT_ONCE)))
        together = loop.time() - started
        shares.append((together / max(1.0, AT_ONCE * alone / 2), together, alone))
    share, together, alone = min(shares)
    message = f"{AT_ONCE} gets at once took {together:.1f} s, one alone {alone:.2f} s: remove what serializes them, such as a lock"
    assert share < 1, message
