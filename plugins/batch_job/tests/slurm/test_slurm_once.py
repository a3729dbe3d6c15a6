"""One released job per key, whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import TERMINAL_PHASES, Phase, Resource
from flyte_connectors.errors import ConflictError, ServiceUnavailableError
from slurm_jobs import shared_folder

from flyte_connectors_batch_job.backends.slurm import placing
from flyte_connectors_batch_job.backends.slurm.cluster import current
from flyte_connectors_batch_job.backends.slurm.commands import Commands
from flyte_connectors_batch_job.backends.slurm.folder import JobFolder

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster
    from slurm_jobs import SlurmJobs

    from flyte_connectors_batch_job import BatchJobMetadata

pytestmark = pytest.mark.timeout(120)

SMALL = {"memory": "50Mi"}


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("shared", [True, False], ids=["one folder", "a folder each"])
def test_racing_creates_of_two_replicas_release_one_job(jobs: SlurmJobs, shared: bool) -> None:
    """Eight at once; even if the replicas' folders differ by mistake."""
    folders = [jobs.folder, jobs.folder if shared else shared_folder(jobs.cluster)]
    key = jobs.key("race")
    replicas = [replica(key, folder) for folder in folders]
    for process in replicas:
        assert process.stdout.readline() == "ready\n"
    for process in replicas:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in replicas]
    assert [len(handles) for handles in answers] == [4, 4]
    assert len({handle for handles in answers for handle in handles}) == 1
    assert jobs.released("race") == answers[0][:1]
    wait_for(lambda: "COMPLETED" in jobs.listed("race"))
    assert set(jobs.listed("race")) <= {"COMPLETED", "CANCELLED"}
    ran = [path.read_text() for folder in {*folders} for path in folder.glob("*/0/work/ran.txt")]
    assert ran == ["ran\n"]


def replica(key: str, folder: Path) -> Any:
    """A process that creates a job four times when it gets a line."""
    program = [sys.executable, str(Path(__file__).with_name("slurm_replica.py")), key, str(folder)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


STEPS = ("before the submission", "after the submission", "before the release", "after the release")


@pytest.mark.parametrize("step", STEPS)
def test_a_create_that_was_killed_is_completed_by_its_replay(
    jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At any step; nothing is left held."""
    where = {
        "before the submission": (Commands, "submit", "before"),
        "after the submission": (Commands, "submit", "after"),
        "before the release": (Commands, "release", "before"),
        "after the release": (JobFolder, "note_release", "before"),
    }
    cls, name, moment = where[step]
    real = getattr(cls, name)

    def killed(*arguments: Any) -> Any:
        if moment == "after":
            real(*arguments)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(cls, name, killed)
        with pytest.raises(KilledError):
            jobs.start("true", key="killed", **SMALL)
    meta = jobs.start("true", key="killed", **SMALL)
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    assert jobs.listed("killed") == ["COMPLETED"]


def test_a_lost_reply_of_sbatch_submits_no_second_job(
    jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command is killed after the controller has taken the job."""
    programs = tmp_path / "bin"
    programs.mkdir()
    sbatch = programs / "sbatch"
    sbatch.write_text('#!/bin/sh\nPATH=${PATH#*:} sbatch "$@" >/dev/null && exec sleep 60\n')
    sbatch.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        patch.setattr("flyte_connectors_batch_job.backends.slurm.commands.ACTION_SECONDS", 1.0)
        patch.setattr(Commands._checked, "__defaults__", ("", 1.0))
        with pytest.raises(ServiceUnavailableError) as caught:
            jobs.start("true", key="reply", **SMALL)
    assert caught.value.outcome_unknown
    assert jobs.end(jobs.start("true", key="reply", **SMALL)).phase == Phase.SUCCEEDED
    assert jobs.listed("reply") == ["COMPLETED"]


def test_a_submission_that_arrives_late_is_never_released(jobs: SlurmJobs) -> None:
    """Held, it does nothing; and were it released by hand, its script would not begin."""
    meta = jobs.start("echo ran >> ran.txt", key="late", **SMALL)
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    job_id = jobs.key("late")
    written = current().folder(job_id).order()
    assert written is not None
    late = current().channel.submit(placing.Order(**written))
    assert jobs.connector.get(meta).phase == Phase.SUCCEEDED
    jobs.cluster.checked("scontrol", "release", str(late))
    wait_for(lambda: [s for j, s, *_ in jobs.cluster.jobs() if j == str(late)] == ["FAILED"])
    assert (jobs.folder / job_id / "0/work/ran.txt").read_text() == "ran\n"
    assert jobs.connector.get(meta).phase == Phase.SUCCEEDED


@pytest.mark.slow
def test_a_replay_after_the_controller_has_forgotten_runs_nothing(jobs: SlurmJobs) -> None:
    """By the folder alone, without accounting."""
    jobs.cluster.reconfigure(min_job_age=2)
    try:
        meta = jobs.start("echo done", key="purged", outputs={"last": "STRING"}, **SMALL)
        wait_for(lambda: "COMPLETED" in jobs.listed("purged"))
        wait_for(lambda: not jobs.listed("purged"))
    finally:
        jobs.cluster.reconfigure(min_job_age=300)
    assert jobs.start("echo done", key="purged", outputs={"last": "STRING"}, **SMALL) == meta
    assert jobs.listed("purged") == []
    assert jobs.end(meta).outputs == {"last": "done"}


def test_another_task_of_the_same_key_is_a_conflict(jobs: SlurmJobs) -> None:
    """Nothing is submitted for it."""
    jobs.start("true", key="conflict", **SMALL)
    with pytest.raises(ConflictError):
        jobs.start("false", key="conflict", **SMALL)
    assert len(jobs.listed("conflict")) == 1


def help_on(cluster: SlurmCluster) -> None:
    """Do what an administrator does after a crash.

    Slurm drains a node that still runs a job and gets another of the same id, and then waits for minutes.
    """
    cluster.run("scontrol", "update", f"NodeName={cluster.node}", "State=RESUME")
    for job, state, *_ in cluster.jobs("%A|%T"):
        if state == "PENDING":
            cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")


def end_with_help(jobs: SlurmJobs, meta: BatchJobMetadata) -> Resource:
    """The job's state once it is terminal; until then the cluster is helped once a second."""
    for _ in range(60):
        help_on(jobs.cluster)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            resource: Resource = jobs.connector.get(meta)
            if resource.phase in TERMINAL_PHASES:
                return resource
            time.sleep(0.05)
    raise AssertionError(f"not ended after a minute: {jobs.connector.get(meta)}")


@pytest.mark.slow
def test_a_killed_controller_loses_and_doubles_nothing(jobs: SlurmJobs) -> None:
    """It forgets what it has confirmed in its last seconds, and gives the ids to other jobs."""
    script = 'echo "$BATCH_JOB_ID" >> "$ALL"; sleep 0.3; echo $BATCH_JOB_ID'
    everything = jobs.folder / "all.txt"
    arguments: dict[str, Any] = {
        "env": {"ALL": str(everything)},
        "outputs": {"id": "STRING"},
        **SMALL,
    }
    metas = [jobs.start(script, key=f"kill-{number}", **arguments) for number in range(20)]
    jobs.cluster.kill_controller()
    jobs.cluster.start_controller()
    metas += [jobs.start(script, key=f"kill-{number}", **arguments) for number in range(20, 30)]
    jobs.cluster.kill_controller()
    with pytest.raises(ServiceUnavailableError):
        current().view.fresh()
    jobs.cluster.start_controller()
    time.sleep(0.2)  # for so long an error is answered again
    try:
        ends = [end_with_help(jobs, meta) for meta in metas]
    finally:
        help_on(jobs.cluster)  # other tests use it, too
    keys = [jobs.key(f"kill-{number}") for number in range(30)]
    assert [(end.phase, end.outputs) for end in ends] == [(Phase.SUCCEEDED, {"id": key}) for key in keys]
    assert sorted(everything.read_text().split()) == sorted(keys)


def test_a_job_that_is_launched_twice_runs_once(jobs: SlurmJobs) -> None:
    """A controller that has lost what came after the start does so; here an administrator."""
    meta = jobs.start("echo ran >> ran.txt", key="twice", **SMALL)
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    # A node drains that is still completing a job, and refuses one that ended in the same second.
    wait_for(lambda: jobs.listed("twice") == ["COMPLETED"])
    time.sleep(1.1)
    jobs.cluster.checked("scontrol", "requeue", meta.handle)

    def has_ended_again() -> bool:
        jobs.cluster.run("scontrol", "update", f"JobId={meta.handle}", "StartTime=now")
        [[state, restarts]] = [
            [state, restarts]
            for job, state, restarts in jobs.cluster.listed("JobID,State,RestartCnt")
            if job == meta.handle
        ]
        return (state, restarts) == ("COMPLETED", "1")

    wait_for(has_ended_again)
    ran = jobs.folder / jobs.key("twice") / "0/work/ran.txt"
    assert ran.read_text() == "ran\n"
    assert jobs.connector.get(meta).phase == Phase.SUCCEEDED


def test_a_pending_job_that_was_cancelled_before_its_start_never_begins(jobs: SlurmJobs) -> None:
    """Even if the cancellation does not reach the controller."""
    meta = jobs.start("echo ran", key="stopped", **SMALL)
    (jobs.folder / jobs.key("stopped") / "cancelled").symlink_to("flyte")
    resource = jobs.end(meta)
    begun = (jobs.folder / jobs.key("stopped") / "0/begun").is_symlink()
    assert resource.phase == (Phase.SUCCEEDED if begun else Phase.ABORTED)
