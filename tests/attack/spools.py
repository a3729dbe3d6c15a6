"""Spools that are shared, foreign, full, read-only, cleaned meanwhile, or damaged."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.core.execution_pb2 import TaskExecution

from tests.fakes.requests import create_request
from tests.fakes.serve_process import start
from tests.service.client import Client, Job

from .mounts import own_mounts, read_only, tmpfs
from .spool_damages import DAMAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .report import Tally
    from .setting import Setting

PHASES = TaskExecution.Phase
TERMINAL = {PHASES.SUCCEEDED, PHASES.FAILED, PHASES.RETRYABLE_FAILED, PHASES.ABORTED}
FAULTS = {"INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED"}
CALL_SECONDS = 4.0
END_SECONDS = 20.0
LOOKS = ("get", "get_logs", "get_metrics", "delete")
FEW_DAMAGES = ("not JSON", "a pipe")


async def play(setting: Setting, tally: Tally) -> None:
    """Try every kind of spool."""
    folder = setting.folder("spools")
    for part in (shared, foreign, cleaned, damaged):
        await part(setting, tally, folder)
    try:
        own_mounts()
    except OSError as error:
        tally.skipped("full", f"needs root, or user namespaces: {error}")
        tally.skipped("read-only", f"needs root, or user namespaces: {error}")
        return
    await full(setting, tally, folder)
    await on_read_only(tally, folder)


@asynccontextmanager
async def serving(spool: Path, log: Path) -> AsyncIterator[Client]:
    """A service whose batch jobs are in a spool."""
    env = {"FLYTE_BATCH_JOB_SPOOL": str(spool)}
    service = start("--allow", "batch_job", log=log, env=env)
    try:
        async with Client(service.address, deadline=CALL_SECONDS) as client:
            yield client
    finally:
        service.process.kill()
        service.process.wait()


async def shared(setting: Setting, tally: Tally, folder: Path) -> None:
    """Two services get the same create at once: one job, which both can read."""
    case, spool, runs = "shared", folder / "shared", folder / "shared-runs"
    async with serving(spool, folder / "log") as one, serving(spool, folder / "log") as two:
        for number in range(30 if setting.full else 3):
            tally.tried(case)
            request = script(f"shared-{number}", f"echo run >> {runs}-{number}; sleep 0.3")
            jobs = await asyncio.gather(one.send(request), two.send(request), one.send(request))
            phases = {await ended(job) for job in jobs}
            started = len(lines(Path(f"{runs}-{number}")))
            if phases != {PHASES.SUCCEEDED} or started != 1:
                tally.fell(case, f"{names(phases)}, {started} runs")


async def foreign(setting: Setting, tally: Tally, folder: Path) -> None:
    """A service that does not have the job knows nothing of it: not that it is lost, nor cancelled."""
    case = "foreign"
    async with (
        serving(folder / "here", folder / "log") as here,
        serving(folder / "elsewhere", folder / "log") as elsewhere,
    ):
        for verb in LOOKS:
            tally.tried(case)
            job = await here.send(script(f"foreign-{verb}", "sleep 600"))
            there = Job(elsewhere, job.meta, job.category)
            for _ in range(3 if setting.full else 1):
                code, answer = await answered(there, verb)
                if code in FAULTS:
                    tally.fell(case, f"{verb} ended {code}: {answer}")
                if verb == "get" and code == "OK" and answer.phase in TERMINAL:
                    tally.fell(case, f"get told {PHASES.Name(answer.phase)} of a job that runs")
            if (verb, code) == ("delete", "OK") and not await ends(job):
                tally.fell(case, "delete told success of a job that runs on")
            if verb != "delete" and (await job.get()).phase in TERMINAL:
                tally.fell(case, f"{verb} elsewhere has ended the job")
            await job.delete()


async def cleaned(setting: Setting, tally: Tally, folder: Path) -> None:
    """Old jobs are removed by several cleaners at once, while others run and are asked about."""
    case, spool = "cleaned meanwhile", folder / "cleaned"
    async with serving(spool, folder / "log") as client:
        jobs = [await client.send(script(f"cleaned-{n}", f"sleep {n % 4}")) for n in range(12)]
        jobs.append(await client.send(script("cleaned-long", "sleep 600")))
        (spool / "dangling").symlink_to("nowhere")
        (spool / ".new-dangling").symlink_to("nowhere")
        (spool / "a-file").touch()
        for _ in range(10 if setting.full else 3):
            tally.tried(case)
            cleaners = await asyncio.gather(*(clean(spool) for _ in range(3)))
            for code, text in cleaners:
                if code:
                    tally.fell(case, f"a cleaner ended with {code}: {text[-200:]}")
            for job in jobs:
                code, answer = await answered(job, "get")
                if code in FAULTS:
                    tally.fell(case, f"get ended {code}: {answer}")
            if (phase := (await jobs[-1].get()).phase) in TERMINAL:
                tally.fell(case, f"a running job is {PHASES.Name(phase)}")
            await asyncio.sleep(0.3)
        await jobs[-1].delete()


async def clean(spool: Path) -> tuple[int, str]:
    """Exit code and standard error of a cleaner that removes everything that has ended."""
    command = (sys.executable, "-m", "flyte_connectors_batch_job.clean")
    process = await asyncio.create_subprocess_exec(
        *(*command, "--older-than", "0"),
        env={**os.environ, "FLYTE_BATCH_JOB_SPOOL": str(spool)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, text = await process.communicate()
    return process.returncode or 0, text.decode(errors="replace")


async def damaged(setting: Setting, tally: Tally, folder: Path) -> None:
    """Each file of a job is replaced by something else: no call may hang, or be our fault."""
    damages = list(DAMAGES) if setting.full else FEW_DAMAGES
    spool = folder / "damaged"
    async with serving(spool, folder / "log") as client:
        whole = await client.send(script("whole", "echo 1; sleep 0.1; exit 3"))
        await ended(whole)
        original = next(spool.glob("*whole*"))
        kept = folder / "kept"
        shutil.copytree(original, kept, symlinks=True)
        files = sorted(path.name for path in kept.iterdir())
        for name, file in itertools.product(damages, files):
            DAMAGES[name](original / file)
            await look(tally, f"damaged: {name}", whole, file)
            remove(original)
            shutil.copytree(kept, original, symlinks=True)


async def look(tally: Tally, case: str, job: Job, file: str) -> None:
    """Ask everything about a damaged job."""
    for verb in LOOKS:
        tally.tried(case)
        began = time.monotonic()
        code, answer = await answered(job, verb)
        if code in FAULTS or time.monotonic() - began > CALL_SECONDS:
            tally.fell(case, f"{file}: {verb} ended {code}: {answer}")


async def full(setting: Setting, tally: Tally, folder: Path) -> None:
    """The spool is full when a job is created, and when one ends; later there is space again."""
    spool = folder / "full"
    tmpfs(spool, "2m")
    async with serving(spool, folder / "log") as client:
        running = await client.send(script("full-running", f"echo up; sleep 2; echo {'x' * 500}"))
        await begun(running)
        ballast = fill(spool)
        await watch(tally, "full: a job ends", running, 2.5)
        case = "full: a create"
        for number in range(5 if setting.full else 1):
            tally.tried(case)
            try:
                await client.send(script(f"full-{number}", "echo 1"))
                tally.fell(case, "a create succeeded on a full disk")
            except grpc.aio.AioRpcError as error:
                if error.code().name in FAULTS - {"DEADLINE_EXCEEDED"}:
                    tally.fell(case, f"{error.code().name}: {error.details()}")
        ballast.unlink()
        case = "full: space again"
        for job in (running, *[await client.send(script(f"full-{n}", "echo 1")) for n in range(3)]):
            tally.tried(case)
            if (phase := await ended(job)) != PHASES.SUCCEEDED:
                tally.fell(case, f"a job ended {PHASES.Name(phase)}")


async def watch(tally: Tally, case: str, job: Job, seconds: float) -> None:
    """Read a job for a while; it runs, or is done."""
    tally.tried(case)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        code, answer = await answered(job, "get")
        if code in FAULTS:
            tally.fell(case, f"get ended {code}: {answer}")
            return
        if answer.phase in TERMINAL - {PHASES.SUCCEEDED}:
            tally.fell(case, f"get told {PHASES.Name(answer.phase)}: {answer.message}")
            return
        await asyncio.sleep(0.1)


def fill(folder: Path) -> Path:
    """A file that takes all the space there is."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
                    file.flush()
    return ballast


async def on_read_only(tally: Tally, folder: Path) -> None:
    """A service sees the spool, but may not write to it."""
    spool, seen, case = folder / "written", folder / "read-only", "read-only"
    async with serving(spool, folder / "log") as writer:
        done = await writer.send(script("read-done", "echo 1"))
        running = await writer.send(script("read-running", "sleep 600"))
        await ended(done)
        read_only(spool, seen)
        async with serving(seen, folder / "log") as reader:
            for job, verb in itertools.product((done, running), LOOKS):
                tally.tried(case)
                code, answer = await answered(Job(reader, job.meta, job.category), verb)
                if code in FAULTS:
                    tally.fell(case, f"{verb} ended {code}: {answer}")
                if (job, verb, code) == (running, "delete", "OK") and not await ends(job):
                    tally.fell(case, "delete told success of a job that runs on")
            tally.tried(case)
            try:
                await reader.send(script("read-new", "true"))
                tally.fell(case, "a create succeeded")
            except grpc.aio.AioRpcError as error:
                if error.code().name in FAULTS - {"DEADLINE_EXCEEDED"}:
                    tally.fell(case, f"create ended {error.code().name}: {error.details()}")
        await running.delete()


def script(run: str, text: str) -> Any:
    """A batch job."""
    return create_request("batch_job", run=run, custom={"script": text, "timeout_seconds": 60})


async def answered(job: Job, verb: str) -> tuple[str, Any]:
    """The code of an answer, and what it says."""
    try:
        return "OK", await asyncio.wait_for(job.call(verb), CALL_SECONDS + 1)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()
    except asyncio.TimeoutError:  # a stream has no deadline of its own
        return "DEADLINE_EXCEEDED", "no end of the page"


async def ended(job: Job) -> int:
    """The job's terminal phase; what it is after a while, if it has none."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        phase = int((await job.get()).phase)
        if phase in TERMINAL or time.monotonic() > deadline:
            return phase
        await asyncio.sleep(0.05)


async def begun(job: Job) -> None:
    """Return once the job has said something."""
    deadline = time.monotonic() + END_SECONDS
    while not (await job.page())[0]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def ends(job: Job) -> bool:
    """Whether the job ends soon."""
    deadline = time.monotonic() + 3
    while (await job.get()).phase not in TERMINAL:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


def lines(path: Path) -> list[str]:
    """Of a small file."""
    return path.read_text().splitlines()


def names(phases: set[int]) -> str:
    """Phases in words."""
    return ", ".join(PHASES.Name(phase) for phase in sorted(phases))


def remove(folder: Path) -> None:
    """Whatever has become of it."""
    shutil.rmtree(folder, ignore_errors=True)
