"""The keeper and the supervisor of a job, killed at every step; a service is then asked for the job.

Whatever they had done: the job runs at most once, the service knows its end, and no process is left.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flyte_connectors._dispatch.idempotency import idempotency_key
from flyte_connectors_batch_job.backends.local.spool import Spool

from tests.fakes.requests import create_request
from tests.fakes.serve_process import start
from tests.service.client import Client

from .processes import adopt_orphans, descendants, end
from .spools import PHASES, ended, lines, script
from .steps import AFTER_SECONDS, FEW_STEPS, MOST_STEPS, gone

if TYPE_CHECKING:
    from .report import Tally
    from .setting import Setting

PROGRAM = Path(__file__).with_name("kill_at.py")
CASES = {"keep": "keeper killed at a step", "supervise": "supervisor killed at a step"}


async def play(setting: Setting, tally: Tally) -> None:
    """One job for each step, until a guardian outlives them all."""
    adopt_orphans()
    folder = setting.folder("guardians")
    env = {"FLYTE_BATCH_JOB_SPOOL": str(folder / "spool")}
    service = start("--allow", "batch_job", log=folder / "log", env=env)
    try:
        async with Client(service.address, deadline=8.0) as client:
            await ended(await client.send(script("first", "true")))  # there is a spool from now on
            for verb, case in CASES.items():
                attack = Attack(verb, folder, client)
                for step in range(1, MOST_STEPS) if setting.full else FEW_STEPS:
                    tally.tried(case)
                    was_killed, fault = await attack.at(step)
                    if fault:
                        tally.fell(case, f"step {step}: {fault}")
                    if not was_killed:
                        break
                else:
                    assert not setting.full, f"more than {MOST_STEPS} steps"
                await asyncio.sleep(AFTER_SECONDS)
                if alive := descendants(without={service.process.pid}):
                    tally.fell(case, f"still alive: {[each.command for each in alive]}")
                    end(alive)
    finally:
        await gone(service)


@dataclass(frozen=True)
class Attack:
    """On one of the two guardians, in the spool of a service."""

    verb: str
    folder: Path
    client: Client

    async def at(self, step: int) -> tuple[bool, str]:
        """Whether it was killed at this step, and what is wrong then; nothing, if all is well."""
        name = f"{self.verb}-{step}"
        runs = self.folder / name
        text = f"echo run >> {runs}; echo well"
        custom = {"script": text, "timeout_seconds": 300}
        request = create_request("batch_job", run=name, outputs={"result": str}, custom=custom)
        key = idempotency_key(request.task_execution_metadata.task_execution_id)
        was_killed = await asyncio.to_thread(self.killed, key, text, step)
        may_be_lost = self.has_begun(key)
        phase = await ended(await self.client.send(request))
        started = times_run(runs)
        is_lost = may_be_lost and started <= 1 and phase == PHASES.RETRYABLE_FAILED
        if is_lost or (phase == PHASES.SUCCEEDED and started == 1):
            return was_killed, ""
        return was_killed, f"{PHASES.Name(phase)}, {started} runs"

    def killed(self, key: str, text: str, step: int) -> bool:
        """Whether there was such a step."""
        command = (sys.executable, PROGRAM, self.verb, self.folder / "spool", key, text, str(step))
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        return not done.stdout.endswith(b"done\n")

    def has_begun(self, key: str) -> bool:
        """Whether the job had been started, and may be lost so."""
        return Spool(str(self.folder / "spool")).job(key).has_begun()


def times_run(runs: Path) -> int:
    """How often a job has left a line."""
    return len(lines(runs)) if runs.exists() else 0
