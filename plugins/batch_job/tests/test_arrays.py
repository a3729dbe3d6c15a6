"""Arrays on this machine: the same meaning as on the engines, and the queue, the kills and the cleaning of any job."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import SPEC, Jobs, is_running, show, template, wait_for, wait_until_alone
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError, InvalidRequestError, InvalidResourceMetaError, JobNotFoundError

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local.arrays import members
from flyte_connectors_batch_job.backends.local.backend import LocalBackend
from flyte_connectors_batch_job.backends.local.cleaning import clean
from flyte_connectors_batch_job.backends.local.queue import Queue
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_connectors_batch_job.backends.local.job import Job

KILL_AT = str(Path(__file__).parents[3] / "tests" / "attack" / "kill_at.py")
MOST_STEPS = 200
TWO_DAYS_AGO = time.time() - 2 * 86400
SQUARE = """
    echo "line of $BATCH_JOB_INDEX of $BATCH_JOB_ARRAY in $BATCH_JOB_ID"
    echo "{\\"square\\": $((BATCH_JOB_INDEX * BATCH_JOB_INDEX))}" > "$BATCH_JOB_OUTPUTS"
"""


@pytest.fixture(autouse=True)
def _two_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "2")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where jobs write down that they start and end."""
    return tmp_path / "notes"


def noting(notes: Path, then: str = "") -> str:
    """What a job of an array runs that notes its start and its end."""
    return f"echo + $BATCH_JOB_INDEX >> {notes}; {then}\necho - $BATCH_JOB_INDEX >> {notes}"


def indexes(notes: Path, sign: str = "+") -> list[int]:
    """The indexes of the jobs that have started, in order; of those that have ended with `-`."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [int(line[2:]) for line in lines if line[0] == sign]


def most_at_once(notes: Path) -> int:
    """How many jobs ran at the same time."""
    running = most = 0
    for line in notes.read_text().splitlines():
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    return most


def parts(jobs: Jobs, meta: BatchJobMetadata) -> list[Job]:
    """The jobs of an array."""
    return members(jobs.job(meta))


def guardians(found: Sequence[Job]) -> list[int]:
    """Process ids of keepers and supervisors, where there are some."""
    begun = [json.loads(Path(job.file("begun.json")).read_text()) for job in found if job.has_begun()]
    return [one[name][0] for one in begun for name in ("keeper", "supervisor")]


def age(job: Job) -> None:
    """Let nothing have happened in a folder for two days."""
    os.utime(job.path, (TWO_DAYS_AGO, TWO_DAYS_AGO))


def test_an_array_has_outputs_logs_and_usage_by_index(jobs: Jobs) -> None:
    """One state, the lists of the outputs, one log; and the same create again finds it."""
    meta = jobs.start(SQUARE, array=5, outputs={"square": "INTEGER"})
    resource = jobs.end(meta)
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"square": [0, 1, 4, 9, 16]})
    assert resource.custom_info == {"indexes": {"SUCCEEDED": "0-4"}}
    lines = [f"[{i}] line of {i} of 5 in a-job" for i in range(5)]
    assert jobs.all_logs(meta) == lines
    first, token = jobs.logs(meta, lines_wanted=2)
    rest, end = jobs.logs(meta, token)
    assert [line.message for line in (*first, *rest)] == lines
    assert (len(first), end) == (2, "")
    for wrong in ("9.0", "1.3", "1", "x.y"):
        with pytest.raises(InvalidRequestError, match="is not a page of this log"):
            jobs.logs(meta, wrong)
    assert jobs.start(SQUARE, array=5, outputs={"square": "INTEGER"}) == meta
    for other in (6, None):
        with pytest.raises(ConflictError):
            jobs.start(SQUARE, array=other, outputs={"square": "INTEGER"})
    each = [job.usage() for job in parts(jobs, meta)]
    assert all(each)
    whole = LocalBackend().usage(meta.job_id, meta.spool_id)
    assert whole["cpu_seconds"] == pytest.approx(sum(one["cpu_seconds"] for one in each))
    assert whole["peak_memory_bytes"] == max(one["peak_memory_bytes"] for one in each)
    assert jobs.connector.get_metrics(meta).results


def test_an_array_fails_as_its_first_index_that_failed(jobs: Jobs, notes: Path) -> None:
    """When all have ended; an exit code of `retry_exit_codes` is worth another try if no index failed for good."""
    script = noting(notes, "echo why >&2; [ $BATCH_JOB_INDEX = 0 ] && exit 75; [ $BATCH_JOB_INDEX = $BAD ] && exit 3")
    again = jobs.run(script, key="again", array=3, retry_exit_codes=[75], env={"BAD": "9"})
    assert (again.phase, again.message) == (
        Phase.RETRYABLE_FAILED,
        "index 0: the job ended with exit code 75: why",
    )
    assert again.custom_info == {"indexes": {"RETRYABLE_FAILED": "0", "SUCCEEDED": "1-2"}}
    bad = jobs.run(script, key="bad", array=3, retry_exit_codes=[75], env={"BAD": "1"})
    assert (bad.phase, bad.message) == (Phase.FAILED, "index 1: the job ended with exit code 3: why")
    assert sorted(indexes(notes)) == [0, 0, 1, 1, 2, 2]


def until_there(path: Path) -> str:
    """A command that ends when a file appears."""
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


def test_the_jobs_of_an_array_wait_for_slots_in_order(jobs: Jobs, notes: Path, tmp_path: Path) -> None:
    """Behind others of a higher priority, no more at once than there are slots; the whole runs when the first does."""
    first = jobs.start(until_there(tmp_path / "go"), key="first", cpu=2)
    script = noting(notes, f"[ $BATCH_JOB_INDEX != 0 ] || {until_there(tmp_path / 'end')}")
    meta = jobs.start(script, key="array", array=12, cpu=1)
    jobs.start(f"echo + 99 >> {notes}; echo - 99 >> {notes}", key="early", priority=1, cpu=2)
    resource = jobs.connector.get(meta)
    assert (resource.phase, resource.message) == (Phase.QUEUED, "waiting for slots")
    (tmp_path / "go").touch()
    wait_for(lambda: len(indexes(notes, "-")) == 12)
    resource = wait_for(lambda: (now := jobs.connector.get(meta)).message == "11 of 12 indexes have ended" and now)
    assert (resource.phase, resource.custom_info) == (
        Phase.RUNNING,
        {"indexes": {"RUNNING": "0", "SUCCEEDED": "1-11"}},
    )
    (tmp_path / "end").touch()
    assert jobs.end(meta).phase == jobs.end(first).phase == Phase.SUCCEEDED
    early, *started = indexes(notes)
    assert (early, sorted(started)) == (99, list(range(12)))
    pending = set(started)
    for index in started:  # on a busy machine a job that has its slot may be slow to start
        pending.remove(index)
        assert sum(other < index for other in pending) <= 1
    assert most_at_once(notes) <= 2


def test_an_array_is_cancelled_as_a_whole(jobs: Jobs, notes: Path) -> None:
    """What runs is ended, what waits never starts, and nobody behind it waits."""
    meta = jobs.start(noting(notes, "sleep 60"), key="array", array=4)
    wait_for(lambda: len(indexes(notes)) == 2)
    jobs.connector.delete(meta)
    resource = jobs.end(meta)
    assert (resource.phase, resource.custom_info) == (Phase.ABORTED, {"indexes": {"ABORTED": "0-3"}})
    assert jobs.run("true", key="next").phase == Phase.SUCCEEDED
    jobs.connector.delete(meta)
    assert jobs.start(noting(notes, "sleep 60"), key="array", array=4) == meta
    assert jobs.connector.get(meta).phase == Phase.ABORTED
    assert sorted(indexes(notes)) == [0, 1]


@pytest.mark.parametrize("entered", [0, 2])
def test_an_interrupted_create_of_an_array_is_completed_or_cancelled(
    jobs: Jobs, spool: Spool, notes: Path, entered: int
) -> None:
    """By the next of the same key, or by a delete; however many of its jobs are in the queue."""
    jobs.run("true", key="first")  # the spool has an identity from now on
    script, metas = noting(notes), []
    for key in ("completed", "cancelled"):
        spool = Spool(spool.root)
        spool._publish(spool.job(key), {**SPEC, "script": script, "array": 4})
        for _, slot in Queue(spool.root, spool.id).admit(members(spool.job(key))[:entered]):
            os.close(slot)
        metas.append(BatchJobMetadata(key, f"{spool.id}[4]"))
        if key == "cancelled":
            jobs.connector.delete(metas[-1])
        assert jobs.start(script, key=key, array=4) == metas[-1]
    assert [jobs.end(meta).phase for meta in metas] == [Phase.SUCCEEDED, Phase.ABORTED]
    assert sorted(indexes(notes, "-")) == [0, 1, 2, 3]


def test_old_arrays_are_removed_as_a_whole(jobs: Jobs, spool: Spool, notes: Path) -> None:
    """Not while a job of theirs runs, waits, or has just ended; then they are not found any more."""
    old = jobs.start("true", key="old", array=3)
    jobs.end(old)
    young = jobs.start("true", key="young", array=3)
    jobs.end(young)
    running = jobs.start(noting(notes, "sleep 60"), key="running", array=3)
    wait_for(lambda: len(indexes(notes)) == 2)
    spool = Spool(spool.root)
    spool._publish(spool.job("never"), {**SPEC, "script": "true", "array": 3})
    for meta in (old, young, running, BatchJobMetadata("never")):
        for job in parts(jobs, meta):
            if meta is not running:
                wait_until_alone(job)
            age(job)
        age(jobs.job(meta))
    os.utime(parts(jobs, young)[1].path)
    assert sorted(clean(spool, older_than=86400)[0]) == ["never", "old"]
    assert {path.name for path in Path(spool.root).glob("[!.]*")} == {"young", "running"}
    assert jobs.connector.get(running).phase == Phase.RUNNING
    with pytest.raises(JobNotFoundError, match="batch job 'old' is not in the spool"):
        jobs.connector.get(old)


def test_an_index_that_is_gone_is_no_success(jobs: Jobs) -> None:
    """It is named."""
    meta = jobs.start("true", array=3)
    jobs.end(meta)
    job = parts(jobs, meta)[1]
    wait_until_alone(job)
    shutil.rmtree(job.path)
    with pytest.raises(JobNotFoundError, match="index 1 of batch job 'a-job' is not in the spool"):
        jobs.connector.get(meta)


def test_the_files_of_each_index_have_a_place(jobs: Jobs, tmp_path: Path) -> None:
    """Under the output prefix."""
    task = template(script='echo "$BATCH_JOB_INDEX" > "$BATCH_JOB_OUTPUT_COPY"', array=2)
    entry = task.interface.outputs.variables.add(key="copy")
    entry.value.type.blob.SetInParent()
    meta = jobs.connector.create(task, str(tmp_path / "stored"), {}, idempotency_key="files")
    stored = (jobs.end(meta).outputs or {})["copy"]
    assert [Path(str(path)).read_text() for path in stored] == ["0\n", "1\n"]


def test_too_large_an_array_and_a_strange_handle_are_refused(jobs: Jobs) -> None:
    """By name."""
    with pytest.raises(InvalidRequestError, match=r"custom\.array: 10001 is more than the 10000 jobs"):
        jobs.start("true", array=10_001)
    with pytest.raises(InvalidResourceMetaError, match="is not one of a job here"):
        jobs.connector.get(BatchJobMetadata("a-job", "../x[2"))


def test_an_array_survives_the_death_of_everything(jobs: Jobs, notes: Path) -> None:
    """The jobs that ran are lost, which another try makes good; those that waited run, each once."""
    meta = jobs.start(noting(notes, "[ $BATCH_JOB_INDEX -gt 1 ] || sleep 60"), array=6)
    wait_for(lambda: len(indexes(notes)) == 2)
    kill_all(parts(jobs, meta))
    resource = jobs.end(meta)
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert resource.custom_info == {"indexes": {"RETRYABLE_FAILED": "0-1", "SUCCEEDED": "2-5"}}
    assert sorted(indexes(notes)) == list(range(6))
    assert sorted(indexes(notes, "-")) == [2, 3, 4, 5]


def kill_all(found: Sequence[Job]) -> None:
    """Kill keepers and supervisors, all at the same time."""
    pids = [pid for pid in guardians(found) if is_running(pid)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    wait_for(lambda: not any(map(is_running, pids)))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_array_of_200_ends_with_its_outputs(jobs: Jobs) -> None:
    """In order."""
    begun = time.monotonic()
    meta = jobs.start(SQUARE, array=200, outputs={"square": "INTEGER"})
    created = time.monotonic()
    while (resource := jobs.connector.get(meta)).phase in (Phase.QUEUED, Phase.RUNNING):
        time.sleep(0.5)
    ended = time.monotonic()
    jobs.connector.get(meta)
    show(
        f"200: created in {created - begun:.2f} s, ended after {ended - begun:.1f} s, a poll takes {time.monotonic() - ended:.3f} s"
    )
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"square": [i * i for i in range(200)]})
    assert jobs.all_logs(meta) == [f"[{i}] line of {i} of 200 in a-job" for i in range(200)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_array_whose_processes_are_killed_again_and_again_doubles_nothing(jobs: Jobs, notes: Path) -> None:
    """And loses no index: each has an end of its own."""
    meta = jobs.start(noting(notes, "sleep 0.2"), array=60)
    for _ in range(8):
        seen = len(indexes(notes))
        wait_for(lambda seen=seen: len(indexes(notes)) > seen + 1)
        kill_all(parts(jobs, meta))
        jobs.connector.get(meta)
    while (resource := jobs.connector.get(meta)).phase in (Phase.QUEUED, Phase.RUNNING):
        time.sleep(0.2)
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert len(set(indexes(notes))) == len(indexes(notes))
    states = [job.look()["state"] for job in parts(jobs, meta)]
    assert set(states) == {"succeeded", "lost"}
    assert states.count("lost") <= 8 * 2  # those that had a slot when all was killed
    assert {index for index, state in enumerate(states) if state == "succeeded"} <= set(indexes(notes, "-"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_submit_of_an_array_killed_at_any_step_loses_and_doubles_nothing(
    jobs: Jobs, spool: Spool, notes: Path
) -> None:
    """The same create again, or a delete, makes it whole."""
    jobs.run("true", key="first")  # the spool has an identity from now on
    for step in count(1):
        notes.unlink(missing_ok=True)
        key, script = f"job-{step:03d}", noting(notes, "echo well")
        command = [sys.executable, KILL_AT, "submit", spool.root, key, script, str(step), "array"]
        answer = subprocess.run(command, capture_output=True, check=False)
        assert not answer.stderr, answer.stderr.decode()
        meta = BatchJobMetadata(key, f"{spool.id or Spool(spool.root).id}[3]")
        is_cancelled = step % 2 and jobs.job(meta).exists()
        if is_cancelled:
            jobs.connector.delete(meta)
        assert jobs.start(script, key=key, array=3, outputs={"result": "STRING"}) == meta
        resource = jobs.end(meta)
        if resource.phase == Phase.SUCCEEDED:
            assert resource.outputs == {"result": ["well"] * 3}
            assert sorted(indexes(notes)) == [0, 1, 2]
        else:
            assert (is_cancelled, resource.phase) == (True, Phase.ABORTED)
            assert len(set(indexes(notes))) == len(indexes(notes))
        if answer.stdout:
            break
        assert step < MOST_STEPS
    assert step > 20
