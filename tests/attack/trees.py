"""Process trees that try to outlive their job, ended in every way there is.

A job is over when its last process is: none may live when a terminal phase is reported, and nothing at all,
its supervisor included, one second after.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.core.execution_pb2 import TaskExecution

from tests.fakes.requests import create_request
from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client, Job

from .processes import Process, adopt_orphans, descendants, end
from .survivors import SURVIVORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .report import Tally
    from .setting import Setting

PHASES = TaskExecution.Phase
RUNNER = "flyte_connectors_batch_job"
TERMINAL = {PHASES.SUCCEEDED, PHASES.FAILED, PHASES.RETRYABLE_FAILED, PHASES.ABORTED}
TIME_LIMIT_SECONDS = 1.5
READY_SECONDS = 8.0
END_SECONDS = 15.0
"""Until a job must have ended: its grace time of 5 s thrice."""
AFTER_SECONDS = 1.0


@dataclass
class Fight:
    """One job that does not want to end."""

    service: ServeProcess
    client: Client
    spool: Path
    job: Job = field(init=False)

    def runners(self) -> list[Process]:
        """The supervisor and its helpers, oldest first."""
        mine = [process for process in self.all() if is_runner(process)]
        return sorted(mine, key=lambda process: process.pid)

    def all(self) -> list[Process]:
        """Whatever runs below us that is not the service."""
        return descendants(without={self.service.process.pid})

    def theirs(self) -> list[Process]:
        """The job's own processes."""
        return [process for process in self.all() if not is_runner(process)]

    def signal_runners(self, number: signal.Signals, chosen: Callable[[list[Process]], Any]) -> None:
        """Signal some of the processes that run the job."""
        for process in chosen(self.runners()):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def is_runner(process: Process) -> bool:
    """Whether a process is the plugin's own, which runs jobs."""
    return f"{RUNNER}/" in process.command and " -c " not in process.command


async def delete(fight: Fight) -> None:
    await fight.job.delete()


async def time_limit(_: Fight) -> None:
    await asyncio.sleep(TIME_LIMIT_SECONDS)


async def by_itself(_: Fight) -> None:
    """Its main process ends; what it has started does not."""


async def kill_oldest(fight: Fight) -> None:
    fight.signal_runners(signal.SIGKILL, lambda found: found[:1])


async def kill_others(fight: Fight) -> None:
    fight.signal_runners(signal.SIGKILL, lambda found: found[1:])
    await asyncio.sleep(0.5)
    await fight.job.delete()


async def kill_all(fight: Fight) -> None:
    fight.signal_runners(signal.SIGKILL, reversed)


async def stop_oldest(fight: Fight) -> None:
    fight.signal_runners(signal.SIGSTOP, lambda found: found[:1])
    await fight.job.delete()


async def stop_all(fight: Fight) -> None:
    fight.signal_runners(signal.SIGSTOP, list)
    await fight.job.delete()


async def kill_service(fight: Fight) -> None:
    """The job goes on without its service; another one ends it."""
    fight.service.process.kill()
    fight.service.process.wait()
    fight.service = serve(fight.spool)
    await fight.client.__aexit__()
    fight.client = Client(fight.service.address)
    fight.job = Job(fight.client, fight.job.meta, fight.job.category)
    await fight.job.delete()


ENDINGS = {
    "delete": delete,
    "time limit": time_limit,
    "by itself": by_itself,
    "its first guardian killed": kill_oldest,
    "its other guardians killed": kill_others,
    "all guardians killed": kill_all,
    "its first guardian stopped": stop_oldest,
    "all guardians stopped": stop_all,
    "service killed": kill_service,
}
FEW_MEETINGS = (
    ("double fork", "delete"),
    ("another name, no environment", "by itself"),
    ("hops from fork to fork", "time limit"),
    ("daemon", "all guardians killed"),
    ("ignores every signal", "all guardians stopped"),
    ("kills those that run it", "delete"),
    ("makes a pipe of its outputs", "by itself"),
)


def serve(spool: Path) -> ServeProcess:
    """A service that runs batch jobs alone."""
    env = {"FLYTE_BATCH_JOB_SPOOL": str(spool)}
    return start("--allow", "batch_job", log=spool.parent / "log", env=env)


async def play(setting: Setting, tally: Tally) -> None:
    """Let every survivor meet every ending."""
    adopt_orphans()
    meetings = list(itertools.product(SURVIVORS, ENDINGS)) if setting.full else FEW_MEETINGS
    share, shares = setting.share
    spool = setting.folder(f"trees-{share}") / "spool"
    service = serve(spool)
    try:
        for number, (name, ending) in list(enumerate(meetings))[share::shares]:
            tally.tried(ending)
            client = Client(service.address, deadline=10.0)
            fight = Fight(service, client, spool)
            for fault in await meet(fight, f"{number}", name, ending):
                tally.fell(ending, f"{name}: {fault}")
            service = fight.service
            await fight.client.__aexit__()
    finally:
        service.process.kill()
        service.process.wait()
        end(descendants())


async def meet(fight: Fight, run: str, name: str, ending: str) -> list[str]:
    """What goes wrong when this survivor meets this ending; afterwards it is gone for certain."""
    ready = fight.spool.parent / f"ready-{run}"
    request = create_request("batch_job", run=f"tree-{run}")
    request.template.custom.Clear()
    request.template.custom.update(
        {
            "command": [sys.executable, "-c", SURVIVORS[name]],
            "timeout_seconds": TIME_LIMIT_SECONDS if ending == "time limit" else 300,
            "env": {
                "ATTACK_READY": str(ready),
                "ATTACK_ENDS": str(int(ending == "by itself")),
            },
        }
    )
    try:
        fight.job = await fight.client.send(request)
        return await fought(fight, ready, ENDINGS[ending])
    except (AssertionError, grpc.aio.AioRpcError, OSError) as error:
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"]
    finally:
        end(fight.all())


async def fought(fight: Fight, ready: Path, ending: Callable[[Fight], Any]) -> list[str]:
    """What went wrong with one job."""
    phase = await ready_or_ended(fight, ready)
    if phase not in TERMINAL:  # some kill those that run them, and are done
        await ending(fight)
    deadline = time.monotonic() + END_SECONDS
    while (phase := await told(fight)) not in TERMINAL:
        if time.monotonic() > deadline:
            alive = len(fight.theirs())
            return [f"{END_SECONDS:g} s later still {PHASES.Name(phase)}, {alive} processes alive"]
        await asyncio.sleep(0.02)
    faults = []
    if alive := fight.theirs():
        faults.append(f"{PHASES.Name(phase)} was reported while alive: {shown(alive)}")
    await asyncio.sleep(AFTER_SECONDS)
    if alive := fight.all():
        faults.append(f"alive {AFTER_SECONDS:g} s after {PHASES.Name(phase)}: {shown(alive)}")
    return faults[-1:]


async def told(fight: Fight) -> int:
    """The job's phase, as the service reports it."""
    return int((await fight.job.get()).phase)


async def ready_or_ended(fight: Fight, ready: Path) -> int:
    """The job's phase once its program has come up, or has ended.

    Raises:
        AssertionError: neither.
    """
    deadline = time.monotonic() + READY_SECONDS
    while (phase := await told(fight)) not in TERMINAL and not exists(ready):
        assert time.monotonic() < deadline, "its program did not come up"
        await asyncio.sleep(0.02)
    return phase


def exists(path: Path) -> bool:
    """Whether a job has made this file; a look that costs nothing."""
    return path.exists()


def shown(processes: list[Process]) -> str:
    """A few processes, in short."""
    few = [process.command.partition(" -c ")[0][-40:] for process in processes[:3]]
    return f"{len(processes)}: " + ", ".join(few)
