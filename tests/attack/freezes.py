"""A service that is frozen as a whole, by signals and by neighbours that take its processor.

A frozen process blocks everybody, which is nobody's fault: no connector may be isolated for it. One that
really blocks the loop must be found all the same.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client, Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .report import Tally
    from .setting import Setting

MODULE = "tests.attack.blocking_connector"
MAIN = "MainThread"
BLAME = "blocked the event loop"
FREEZES = (0.05, 0.06, 0.09, 0.12, 0.15, 0.2, 0.3, 0.5)
"""Seconds: around and beyond what the service takes for blocking."""
HOG_SECONDS = 6.0
FOUND_CALLS = 20
READERS = 6


async def play(setting: Setting, tally: Tally) -> None:
    """Freeze, starve, and let one really block."""
    folder = setting.folder("freezes")
    service = start("--module", MODULE, log=folder / "log")
    try:
        async with Client(service.address) as client:
            busy, light = await client.create("busy"), await client.create("light")
            async with reading(busy):
                await freeze(setting, tally, service, busy)
            async with reading(light):
                await starve(tally, service, light, HOG_SECONDS if setting.full else 2.0)
            await block(tally, service, await client.create("guilty"))
            tally.skipped("isolation ends", "after ten minutes; test_way_back of the core has a clock")
    finally:
        service.process.send_signal(signal.SIGCONT)
        service.process.kill()
        service.process.wait()


@asynccontextmanager
async def reading(job: Job) -> AsyncIterator[None]:
    """Read a job without a pause while the block runs, so that its connector is always at work."""

    async def read() -> None:
        while True:
            await job.get()

    readers = [asyncio.ensure_future(read()) for _ in range(READERS)]
    try:
        yield
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def freeze(setting: Setting, tally: Tally, service: ServeProcess, innocent: Job) -> None:
    """Stop the process for a while, again and again, in the middle of somebody's call."""
    draw = setting.draw("freezes")
    rounds = 15 if setting.full else 1
    for seconds in FREEZES * rounds:
        case = f"stopped for {1000 * seconds:.0f} ms"
        tally.tried(case)
        before = blames(service)
        service.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        service.signal(signal.SIGCONT)
        await asyncio.sleep(draw.uniform(0.05, 0.2))
        if blames(service) > before:
            tally.fell(case, "an innocent connector was blamed")
    await assert_shared(tally, "stopped", innocent)


async def starve(tally: Tally, service: ServeProcess, innocent: Job, seconds: float) -> None:
    """Let others have the processors."""
    case = "processors taken"
    tally.tried(case)
    before = blames(service)
    program = f"import time\nend = time.time() + {seconds}\nwhile time.time() < end: pass"
    count = 3 * (os.cpu_count() or 2)
    command = (sys.executable, "-S", "-c", program)
    hogs = [await asyncio.create_subprocess_exec(*command) for _ in range(count)]
    for hog in hogs:
        await hog.wait()
    if blames(service) > before:
        tally.fell(case, "an innocent connector was blamed")
    await assert_shared(tally, case, innocent)


async def assert_shared(tally: Tally, case: str, innocent: Job) -> None:
    """It runs where all run."""
    tally.tried(f"{case}: still shares the loop")
    thread = (await innocent.get()).message
    if thread != MAIN:
        tally.fell(f"{case}: still shares the loop", f"the innocent connector runs on {thread}")


async def block(tally: Tally, service: ServeProcess, guilty: Job) -> None:
    """One that does block must be found."""
    case = "a blocking connector is found"
    tally.tried(case)
    for _ in range(FOUND_CALLS):
        if (await guilty.get()).message != MAIN:
            return
    tally.fell(case, f"still on the shared loop after {FOUND_CALLS} blocking calls")


def blames(service: ServeProcess) -> int:
    """How often the log blames a connector."""
    return service.log.read_text(errors="replace").count(BLAME)
