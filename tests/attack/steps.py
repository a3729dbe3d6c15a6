"""A service that is killed at every step of a create; the next one is asked for the same job.

Whatever had been done: the job runs once, succeeds, and leaves no process.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc

from tests.fakes.requests import create_request
from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client

from .processes import adopt_orphans, descendants, end
from .spools import PHASES, ended, lines

if TYPE_CHECKING:
    from pathlib import Path

    from .report import Tally
    from .setting import Setting

MODULE = "tests.attack.stepwise"
MOST_STEPS = 80
FEW_STEPS = (3, 9)
AFTER_SECONDS = 1.0


async def play(setting: Setting, tally: Tally) -> None:
    """One service for each step, until a create outlives them all."""
    adopt_orphans()
    folder = setting.folder("steps")
    steps = range(1, MOST_STEPS) if setting.full else FEW_STEPS
    for step in steps:
        if not await killed_at(step, folder, tally) and setting.full:
            break
    else:
        assert not setting.full, f"a create has more than {MOST_STEPS} steps"


async def killed_at(step: int, folder: Path, tally: Tally) -> bool:
    """Whether the service was killed at this step; the job is counted in any case."""
    case, armed, runs = (
        "service killed in a create",
        folder / f"armed-{step}",
        folder / f"runs-{step}",
    )
    env = {
        "FLYTE_BATCH_JOB_SPOOL": str(folder / "spool"),
        "ATTACK_DEADLY_STEP": str(step),
        "ATTACK_ARMED": str(armed),
    }
    text = f"echo run >> {runs}; sleep 0.2; echo well"
    request = create_request("batch_job", run=f"step-{step}", custom={"script": text})
    tally.tried(case)
    service = start("--allow", "batch_job", "--module", MODULE, log=folder / "log", env=env)
    try:
        async with Client(service.address, deadline=8.0) as client:
            arm(armed)
            with contextlib.suppress(grpc.aio.AioRpcError):
                await client.send(request)
    finally:
        await gone(service)
    killed = (folder / f"armed-{step}.killed").is_symlink()
    armed.unlink()
    service = start("--allow", "batch_job", log=folder / "log", env=env)
    try:
        async with Client(service.address, deadline=8.0) as client:
            phase = await ended(await client.send(request))
        started = len(lines(runs)) if runs.exists() else 0
        if phase != PHASES.SUCCEEDED or started != 1:
            tally.fell(case, f"step {step}: {PHASES.Name(phase)}, {started} runs")
        await asyncio.sleep(AFTER_SECONDS)
        if alive := descendants(without={service.process.pid}):
            tally.fell(case, f"step {step}: still alive: {[each.command for each in alive]}")
            end(alive)
    finally:
        await gone(service)
    return killed


def arm(path: Path) -> None:
    """Let the steps be counted from now on."""
    path.touch()


async def gone(service: ServeProcess) -> None:
    """Kill the service, if it has not been."""
    if service.process.poll() is None:
        service.process.kill()
    await asyncio.to_thread(service.process.wait)
