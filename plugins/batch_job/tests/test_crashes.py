"""Whatever dies, and whenever: no job is lost, none is run twice, none runs on unseen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from batch_jobs import FOREVER, Jobs, is_running, wait_until_alone
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local.spool import Spool

KILL_AT = str(Path(__file__).parents[3] / "tests" / "attack" / "kill_at.py")
MOST_STEPS = 200


def script(runs: Path) -> str:
    """A job that leaves a line for each time it runs."""
    return f"echo $$ >> {runs}; echo well"


def kill_at(verb: str, spool: Spool, job_id: str, text: str, step: int, *more: str) -> bool:
    """Run `kill_at.py`. Returns whether it was killed."""
    command = [sys.executable, KILL_AT, verb, spool.root, job_id, text, str(step), *more]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert not answer.stderr, answer.stderr.decode()
    return not answer.stdout.endswith(b"done\n")


def test_a_create_killed_at_any_step_is_completed_by_the_next(jobs: Jobs, spool: Spool, tmp_path: Path) -> None:
    """After SIGKILL at each step of a create, the same key gives the one job, run once."""
    for step in count(1):
        runs = tmp_path / f"runs-{step}"
        killed = kill_at("submit", spool, f"job-{step}", script(runs), step)
        meta = jobs.start(script(runs), key=f"job-{step}", outputs={"result": "STRING"})
        resource = jobs.end(meta)
        assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"result": "well"})
        assert len(runs.read_text().splitlines()) == 1
        if not killed:
            break
        assert step < MOST_STEPS
    assert step > 10


@pytest.mark.parametrize(("verb", "fewest_steps"), [("supervise", 20), ("keep", 2)])
def test_a_guardian_killed_at_any_step_leaves_no_job_running_and_none_to_run_twice(
    jobs: Jobs, spool: Spool, tmp_path: Path, verb: str, fewest_steps: int
) -> None:
    """After SIGKILL at each step of supervisor or keeper, a create of the same key ends in one state.

    A job that had not begun is run now. One that had is lost, unless its end was recorded.
    """
    jobs.run("true", key="first")  # the spool has an identity from now on
    for step in count(1):
        runs = tmp_path / f"runs-{step}"
        job = Spool(spool.root).job(f"job-{step}")
        killed = kill_at(verb, spool, job.id, script(runs), step)
        wait_until_alone(job)
        has_begun = Path(job.file("begun.json")).exists()
        meta = jobs.start(script(runs), key=job.id, outputs={"result": "STRING"})
        phase = jobs.end(meta).phase
        pids = runs.read_text().split() if runs.exists() else []
        assert phase == Phase.SUCCEEDED or (phase == Phase.RETRYABLE_FAILED and has_begun)
        assert len(pids) == 1 or (not pids and phase == Phase.RETRYABLE_FAILED)
        assert not any(is_running(int(pid)) for pid in pids)
        if not killed and phase == Phase.SUCCEEDED:
            break
        assert step < MOST_STEPS
    assert step > fewest_steps


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_supervisor_killed_at_any_step_stores_all_or_says_that_the_job_is_lost(
    jobs: Jobs, spool: Spool, tmp_path: Path
) -> None:
    """Also while files are copied; no process that copies is left."""
    jobs.run("true", key="first")
    for step in count(1):
        runs = tmp_path / f"runs-{step}"
        job = Spool(spool.root).job(f"job-{step}")
        text = f'echo $$ >> {runs}; cp "$BATCH_JOB_INPUT_IN" "$BATCH_JOB_OUTPUT_OUT"'
        killed = kill_at("supervise", spool, job.id, text, step, "files")
        wait_until_alone(job)
        resource = jobs.connector.get(BatchJobMetadata(job.id))
        if resource.phase == Phase.SUCCEEDED:
            stored = Path((resource.outputs or {})["out"])
            assert stored.read_bytes() == Path(KILL_AT).read_bytes()
        elif resource.phase == Phase.QUEUED:  # killed before it began
            jobs.connector.delete(BatchJobMetadata(job.id))
            wait_until_alone(job)
        else:
            assert resource.phase == Phase.RETRYABLE_FAILED, resource
        assert not runs.exists() or len(runs.read_text().split()) == 1
        copying = subprocess.run(["pgrep", "-f", f"{spool.root}/{job.id} "], check=False)
        assert copying.returncode
        if not killed and resource.phase == Phase.SUCCEEDED:
            break
        assert step < 2 * MOST_STEPS
    assert step > 20


def test_a_killed_supervisor_takes_its_job_along(jobs: Jobs) -> None:
    """The job is RETRYABLE_FAILED, and no process of it is left to run beside its next attempt."""
    meta = jobs.start(FOREVER)
    pids = [jobs.process_id(meta, name) for name in ("pid", "kid")]
    os.kill(guardian_id(jobs, meta, "supervisor"), signal.SIGKILL)
    resource = jobs.end(meta)
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert "supervisor vanished" in (resource.message or "")
    assert not any(map(is_running, pids))


def test_a_killed_keeper_takes_the_job_along(jobs: Jobs) -> None:
    """The supervisor does not go on alone: nobody would end the job if it were killed, too."""
    meta = jobs.start(FOREVER)
    pids = [jobs.process_id(meta, name) for name in ("pid", "kid")]
    os.kill(guardian_id(jobs, meta, "keeper"), signal.SIGKILL)
    resource = jobs.end(meta)
    assert (resource.phase, resource.message) == (
        Phase.RETRYABLE_FAILED,
        "the job's keeper was killed",
    )
    assert not any(map(is_running, pids))


def test_a_lost_job_stays_lost_when_it_is_deleted(jobs: Jobs) -> None:
    """Flyte deletes failed jobs; that must not turn a retryable failure into an abort."""
    meta = jobs.start("sleep 60")
    os.kill(guardian_id(jobs, meta, "supervisor"), signal.SIGKILL)
    first = jobs.end(meta)
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta) == first


def test_a_job_outlives_the_process_that_created_it(jobs: Jobs, spool: Spool) -> None:
    """The creator is gone when the job ends, and another process fetches the result."""
    assert not kill_at("submit", spool, "orphan", "sleep 0.5; echo alive", MOST_STEPS)
    meta = BatchJobMetadata("orphan")
    assert jobs.connector.get(meta).phase == Phase.RUNNING
    assert jobs.end(meta).outputs == {"result": "alive"}


def test_a_job_is_in_a_session_of_its_own_with_no_foreign_descriptor(jobs: Jobs) -> None:
    """Neither a Ctrl-C at the service's terminal nor the service's open port reaches the job."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        meta = jobs.start("readlink /proc/$$/fd/*; cut -d ' ' -f 6 /proc/$$/stat")
    finally:
        ours = f"pipe:[{os.fstat(writer).st_ino}]"
        os.close(reader)
        os.close(writer)
    jobs.end(meta)
    *descriptors, session = jobs.all_logs(meta)
    assert descriptors
    assert ours not in descriptors
    assert int(session) != os.getsid(0)


def test_the_same_key_at_the_same_instant_gives_one_job(jobs: Jobs, spool: Spool, tmp_path: Path) -> None:
    """Eight processes create the same job at once: it runs once, and all of them succeed."""
    runs = tmp_path / "runs"
    with ThreadPoolExecutor(8) as threads:
        killed = threads.map(lambda _: kill_at("submit", spool, "shared", script(runs), MOST_STEPS), range(8))
        assert not any(killed)
    assert jobs.end(BatchJobMetadata("shared")).phase == Phase.SUCCEEDED
    assert len(runs.read_text().splitlines()) == 1


def test_the_same_key_in_many_threads_gives_one_job(jobs: Jobs, tmp_path: Path) -> None:
    """The threads of one service race for a key as its replicas do."""
    runs = tmp_path / "runs"
    with ThreadPoolExecutor(8) as threads:
        metas = list(threads.map(lambda _: jobs.start(script(runs)), range(16)))
    assert len({meta.job_id for meta in metas}) == 1
    assert jobs.end(metas[0]).phase == Phase.SUCCEEDED
    assert len(runs.read_text().splitlines()) == 1


def test_another_task_of_the_same_key_is_a_conflict_here(jobs: Jobs) -> None:
    """The job that is there goes on."""
    meta = jobs.start("true", key="same")
    with pytest.raises(ConflictError):
        jobs.start("false", key="same")
    assert jobs.end(meta).phase == Phase.SUCCEEDED


@pytest.mark.parametrize("keys", [1, 20])
def test_every_key_is_a_job_of_its_own(jobs: Jobs, tmp_path: Path, keys: int) -> None:
    """Different keys never share a job."""
    runs = tmp_path / "runs"
    metas = [jobs.start(script(runs), key=f"key-{number}") for number in range(keys)]
    assert all(jobs.end(meta).phase == Phase.SUCCEEDED for meta in metas)
    assert len(runs.read_text().splitlines()) == keys


def guardian_id(jobs: Jobs, meta: BatchJobMetadata, which: str) -> int:
    """The process id of a job's `keeper` or `supervisor`."""
    begun = json.loads(Path(jobs.job(meta).file("begun.json")).read_text())
    pid: int = begun[which][0]
    return pid
