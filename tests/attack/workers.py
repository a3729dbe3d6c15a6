"""`serve --workers`: a worker is killed while jobs are created, or the process that runs the workers is.

A create that ends with an error is sent again, as by an executor that comes back: the job runs once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import grpc

from tests.fakes.requests import create_request
from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client, Job

from .processes import Process, adopt_orphans, descendants, end
from .spools import END_SECONDS, PHASES, ended, lines
from .steps import gone

if TYPE_CHECKING:
    from pathlib import Path

    from .report import Tally
    from .setting import Setting

WORKERS, CREATES = 2, 8
ROUNDS, FEW_ROUNDS = 20, 1
LATEST_SECONDS = 0.1
"""After the creates were sent, until the kill."""
LONG_LIFE_SECONDS = 5.5
"""After which a worker that is killed is started again at once; else after a pause that grows."""


async def play(setting: Setting, tally: Tally) -> None:
    """Kill workers, then who runs them."""
    adopt_orphans()
    folder = setting.folder("workers")
    env = {"FLYTE_BATCH_JOB_SPOOL": str(folder / "spool")}
    options = ("--allow", "batch_job", "--workers", str(WORKERS))
    service = start(*options, log=folder / "log", env=env)
    draw = setting.draw("workers")
    try:
        for number in range(ROUNDS if setting.full else FEW_ROUNDS):
            wait = draw.uniform(0, LATEST_SECONDS)
            await asyncio.sleep(LONG_LIFE_SECONDS)
            await kill_a_worker(service, draw.randrange(WORKERS), wait, folder / str(number), tally)
        await kill_their_supervisor(service, tally)
    finally:
        await gone(service)
        end(descendants())


async def kill_a_worker(service: ServeProcess, which: int, wait: float, runs: Path, tally: Tally) -> None:
    """One kill under creates; each has its job, once, and the others go on."""
    case = "a worker killed under creates"
    sending = [
        asyncio.ensure_future(persistently(service.address, f"{runs.name}-{n}", f"{runs}-{n}")) for n in range(CREATES)
    ]
    await asyncio.sleep(wait)
    workers = await all_workers(service)
    os.kill(workers[which].pid, signal.SIGKILL)
    for number, sent in enumerate(sending):
        tally.tried(case)
        try:
            phase = await sent
        except (grpc.aio.AioRpcError, asyncio.TimeoutError) as error:
            tally.fell(case, f"a create never succeeded: {error!r}")
            continue
        started = len(lines(runs.with_name(f"{runs.name}-{number}")))
        if phase != PHASES.SUCCEEDED or started != 1:
            tally.fell(case, f"{PHASES.Name(phase)}, {started} runs")
    await all_workers(service)


async def persistently(address: str, run: str, runs: str) -> int:
    """The terminal phase of a job whose create, and reads, are repeated until they are answered."""
    custom = {"script": f"echo run >> {runs}; sleep 0.1"}
    request = create_request("batch_job", run=run, custom=custom)
    deadline = time.monotonic() + END_SECONDS
    job: Job | None = None
    while True:
        try:
            async with Client(address, [("grpc.use_local_subchannel_pool", 1)]) as client:
                if job is None:
                    job = await client.send(request)
                return await ended(Job(client, job.meta, job.category))
        except grpc.aio.AioRpcError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def all_workers(service: ServeProcess) -> list[Process]:
    """The workers, once all are there."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        found = [each for each in descendants() if each.parent == service.process.pid]
        if len(found) == WORKERS:
            return sorted(found, key=lambda each: each.pid)
        if time.monotonic() > deadline:
            raise asyncio.TimeoutError(f"{len(found)} workers")
        await asyncio.sleep(0.05)


async def kill_their_supervisor(service: ServeProcess, tally: Tally) -> None:
    """The workers end, and leave the port to whoever comes."""
    case = "who runs the workers killed"
    tally.tried(case)
    await gone(service)
    deadline = time.monotonic() + END_SECONDS
    while descendants() and time.monotonic() < deadline:  # noqa: ASYNC110  (they are no children of ours)
        await asyncio.sleep(0.05)
    if alive := descendants():
        tally.fell(case, f"still alive: {[each.command for each in alive]}")
    if service.listens():
        tally.fell(case, "the port is still taken")
