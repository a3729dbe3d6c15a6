"""No process of a job outlives its reported end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import JobNotFoundError, ServiceUnavailableError
from hostile_trees import ENDS, TREES, alive, guardians, run

from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local import processes, turns
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from batch_jobs import Jobs


@pytest.mark.parametrize("end", ENDS)
def test_no_process_is_alive_when_the_end_is_told(spool: Spool, end: str) -> None:
    """However its processes hide, and whatever ends the job."""

    def left(tree: str) -> int:
        name = f"{tree}-{end}-{os.getpid()}-x".replace(" ", "-")
        state, count = run(Spool(spool.root), tree, end, name)
        assert state in states.ENDED
        return count

    with ThreadPoolExecutor(len(TREES)) as threads:
        assert dict(zip(TREES, threads.map(left, TREES), strict=True)) == dict.fromkeys(TREES, 0)


def test_a_job_that_removes_its_directory_is_not_found_when_it_has_ended(jobs: Jobs, tmp_path: Path) -> None:
    """Not before: its next attempt would run beside it."""
    meta = jobs.start(
        'cd /; rm -rf "${BATCH_JOB_OUTPUTS%/*/*}"; '
        f"setsid sh -c 'touch {tmp_path}/ran; sleep 600; : removed-x' & sleep 600"
    )
    wait_for((tmp_path / "ran").exists)

    def is_gone() -> bool:
        try:
            jobs.connector.get(meta)
        except JobNotFoundError:
            return True
        except ServiceUnavailableError:
            return False
        return False

    wait_for(is_gone)
    assert not alive("removed-x")


def test_no_single_pattern_matches_both_guardians(jobs: Jobs) -> None:
    """Neither name nor arguments, session nor group, that one `pkill` would match."""
    job = jobs.job(jobs.start("sleep 60"))
    wait_for(lambda: "keeper" in Path(f"/proc/{guardians(job)[0]}/comm").read_text())
    words = []
    for pid in guardians(job):
        command = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/comm").read_bytes()
        words.append(set(re.findall(rb"[a-z]{3,}", command.lower())))
    assert words[0] == {b"keeper"}
    assert not any(b"keeper" in word or word in b"keeper" for word in words[1])
    assert len({os.getsid(pid) for pid in guardians(job)}) == 2
    assert len({os.getpgid(pid) for pid in guardians(job)}) == 2


@pytest.mark.parametrize("end", ["success", "supervisor killed", "keeper killed", "both killed"])
def test_no_control_group_is_left(jobs: Jobs, end: str) -> None:
    """However the job ended."""
    job = jobs.job(jobs.start("sleep 0.5" if end == "success" else "sleep 60"))
    record = json.loads(Path(job.file("running.json")).read_text())
    if not record["cgroup"]:
        pytest.skip("no control group can be made here")
    assert Path(record["cgroup"]).is_dir()
    ENDS[end](job)
    wait_for(lambda: turns.state_of(job)["state"] in states.ENDED)
    assert not Path(record["cgroup"]).exists()


def test_a_supervisor_that_is_stopped_goes_on(jobs: Jobs) -> None:
    """Its keeper continues it, so the time limit holds."""
    meta = jobs.start("sleep 60", timeout_seconds=1)
    os.kill(guardians(jobs.job(meta))[1], signal.SIGSTOP)
    assert jobs.end(meta).message == "exceeded its time limit of 1 s"


def test_stopped_guardians_are_continued_though_the_job_has_removed_their_ids(jobs: Jobs) -> None:
    """Whoever asks about the job finds the supervisor by its command, and that one its keeper."""
    job = jobs.job(jobs.start("sleep 60"))
    for pid in guardians(job):
        os.kill(pid, signal.SIGSTOP)
    Path(job.file("begun.json")).unlink()
    turns.cancel(job)
    assert wait_for(lambda: (state := turns.state_of(job)["state"]) in states.ENDED and state) == states.ABORTED


def test_a_supervisor_that_is_stopped_again_and_again_is_given_up(jobs: Jobs) -> None:
    """A job that can't be watched is ended."""
    meta = jobs.start("sleep 60")
    supervisor = guardians(jobs.job(meta))[1]
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(supervisor, signal.SIGSTOP)
            time.sleep(0.001)
    assert jobs.end(meta).phase == Phase.RETRYABLE_FAILED


@pytest.mark.skipif(not (shutil.which("ps") or os.environ.get("CI")), reason="needs ps, of Debian's package procps")
def test_the_table_of_processes_is_the_same_without_proc() -> None:
    """As ps(1) reports it on systems without `/proc`."""
    seen = processes.table_of_ps()[os.getpid()]
    known = processes.table()[os.getpid()]
    assert (seen.parent, seen.group, seen.is_alive) == (known.parent, known.group, True)
    assert processes.table_of_ps()[os.getpid()].start == seen.start
