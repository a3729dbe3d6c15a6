"""Limits that the kernel keeps by control groups, and what is there without them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for, wait_until_alone
from flyte_connectors.connector import Phase
from test_memory import MESSAGE, allocating

from flyte_connectors_batch_job.backends.local.limits import Limits, remove

if TYPE_CHECKING:
    from batch_jobs import Jobs

    from flyte_connectors_batch_job import BatchJobMetadata

PYTHON = shlex.quote(sys.executable)
BURN = f"{PYTHON} -Sc 'import time\nwhile time.process_time() < 30: pass'"


def _kernel_keeps(controller: str) -> bool:
    spec = {"memory": {"memory_bytes": 1 << 30}, "cpu": {"cpu": 1.0}}[controller]
    limits = Limits("", spec)
    remove(limits.groups)
    return bool(limits.groups)


needs_memory = pytest.mark.skipif(not _kernel_keeps("memory"), reason="needs control groups that limit memory")
needs_cpu = pytest.mark.skipif(not _kernel_keeps("cpu"), reason="needs control groups that limit CPU")


def groups(jobs: Jobs, meta: BatchJobMetadata) -> list[str]:
    """The control groups of a running job, as its supervisor has written them down."""
    path = Path(jobs.job(meta).file("running.json"))
    found: list[str] = wait_for(lambda: path.exists() and json.loads(path.read_text()).get("limits"))
    return found


@needs_memory
def test_the_kernel_keeps_a_job_within_its_memory(jobs: Jobs) -> None:
    """Even a process that lives too short for a look at it."""
    meta = jobs.start(f"sleep 0.5; {allocating(70, '0')}; echo survived", memory="50Mi")
    made = groups(jobs, meta)
    assert all(Path(group).is_dir() for group in made)
    resource = jobs.end(meta)
    assert (resource.phase, resource.message) == (Phase.FAILED, MESSAGE)
    assert not any(Path(group).exists() for group in made)


@needs_cpu
def test_the_kernel_keeps_a_job_within_its_cores(jobs: Jobs) -> None:
    """All its processes together."""
    meta = jobs.start(f"{BURN} & {BURN} & wait", cpu="200m", timeout_seconds=2)
    made = groups(jobs, meta)
    jobs.end(meta)
    used = jobs.job(meta).usage()
    assert 0.05 < used["cpu_seconds"] / used["wall_seconds"] < 0.35
    assert not any(Path(group).exists() for group in made)


@needs_memory
def test_a_process_that_hides_is_found_by_its_control_group(jobs: Jobs, tmp_path: Path) -> None:
    """After keeper and supervisor were killed at once; it has no variable and no parent of the job."""
    script = f"setsid env -i sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' & wait"
    meta = jobs.start(script, memory="50Mi")
    pid = int(wait_for(lambda: (p := tmp_path / "pid").exists() and p.read_text().strip()))
    made = groups(jobs, meta)
    path = Path(jobs.job(meta).file("running.json"))
    begun = json.loads(Path(jobs.job(meta).file("begun.json")).read_text())
    keeper, supervisor = begun["keeper"][0], begun["supervisor"][0]
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(keeper, signal.SIGSTOP)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "processes": [], "cgroup": ""}))
    os.kill(keeper, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    wait_until_alone(jobs.job(meta))
    assert jobs.connector.get(meta).phase == Phase.RETRYABLE_FAILED
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid))
    assert not any(Path(group).exists() for group in made)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


_WITHOUT = """
import sys, time
from flyte_connectors.connector import TERMINAL_PHASES
from batch_jobs import Jobs
from flyte_connectors_batch_job.backends.local.limits import Limits
from flyte_connectors_batch_job.backends.local.spool import Spool
assert not Limits("", {"memory_bytes": 1 << 30, "cpu": 1}).groups
resource = Jobs(Spool(sys.argv[1])).run(sys.argv[2], memory="50Mi", cpu=1)
print(resource.phase.name, resource.message)
"""


@pytest.mark.parametrize("then", ["time.sleep(30)", "0"])
def test_without_control_groups_the_supervisor_looks(jobs: Jobs, then: str) -> None:
    """Several times a second, and once more at the end."""
    hide = "for top in memory cpu; do umount -l /sys/fs/cgroup/$top 2>/dev/null; done"
    program = [sys.executable, "-c", _WITHOUT, jobs.spool.root, allocating(300, then)]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{hide}; exec "$@"', "sh", *program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in ended.stderr or "AssertionError" in ended.stderr:
        pytest.skip("needs the right to hide control groups")
    assert ended.stdout == f"FAILED {MESSAGE}\n", ended.stderr
