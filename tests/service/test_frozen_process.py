"""A process that is stopped for a moment, as one is that has used up its CPU quota, blames no connector."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.job_service import until
from tests.fakes.serve_process import ServeProcess, serving
from tests.service.client import Client, Job
from tests.service.http import fetch

pytestmark = pytest.mark.alone

MODULE = "tests.service.busy"
FREEZES = 40
FROZEN_SECONDS = 0.09
THAWED_SECONDS = (0.01, 0.08)  # any time between, so that each step of the watch is met


async def freeze(service: ServeProcess) -> None:
    """Stop and continue the process, again and again."""
    for _ in range(FREEZES):
        service.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        service.signal(signal.SIGCONT)
        await asyncio.sleep(random.uniform(*THAWED_SECONDS))


@contextlib.asynccontextmanager
async def polling(job: Job) -> AsyncIterator[None]:
    """Reads of a job without a pause, for this block."""
    ended = asyncio.Event()

    async def poll() -> None:
        while not ended.is_set():
            await job.get()

    tasks = [asyncio.create_task(poll()) for _ in range(2)]
    yield
    ended.set()
    await asyncio.gather(*tasks)


async def isolated(service: ServeProcess, task_type: str) -> bool:
    """What the metrics say."""
    body = (await fetch(service.metrics, "/metrics")).body
    return f'flyte_connectors_isolated{{task_type="{task_type}",version="0"}} 1.0' in body


async def test_a_frozen_process_blames_nobody(tmp_path: Path) -> None:
    """Although a call of the connector was in the middle of its work each time."""
    with serving("--module", MODULE, "--allow", "", log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            job = await client.create("innocent")
            async with polling(job):
                await freeze(service)
            assert not await isolated(service, "innocent")
    assert "blocked the event loop" not in service.log.read_text()


async def test_only_the_guilty_is_blamed(tmp_path: Path) -> None:
    """Also while the process is stopped now and then, and another one works beside it."""
    with serving("--module", MODULE, "--allow", "", log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            innocent, guilty = await client.create("innocent"), await client.create("guilty")
            async with polling(innocent):
                await freeze(service)
                async with polling(guilty):
                    await freeze(service)
                    await until(lambda: "Guilty" in service.log.read_text(), "the warning")
            assert await isolated(service, "guilty")
            assert not await isolated(service, "innocent")
    assert service.log.read_text().count("blocked the event loop") == 1
