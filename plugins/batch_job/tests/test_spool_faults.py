"""A spool that is full, closed or not there: a clear error, and no job."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest
from batch_jobs import Jobs, fill, template, wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import PermissionDeniedError, ServiceUnavailableError

from flyte_connectors_batch_job import BatchJobMetadata

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.local.spool import Spool

NOBODY = 65534


def test_a_full_disk_refuses_new_jobs(jobs: Jobs, small_disk: Path) -> None:
    """The error says what is full, nothing is left of the job, and later it can be created."""
    filler = fill(small_disk)
    with pytest.raises(ServiceUnavailableError, match=r"FLYTE_BATCH_JOB_SPOOL.*No space left"):
        jobs.start("true")
    assert list(small_disk.iterdir()) == [filler]
    filler.unlink()
    assert jobs.run("true").phase == Phase.SUCCEEDED


def test_a_disk_that_fills_up_costs_log_lines_but_no_result(jobs: Jobs, small_disk: Path) -> None:
    """The job goes on, its outcome waits for space, and the log tells of the gap."""
    full, free = fifo(small_disk.parent / "full"), fifo(small_disk.parent / "free")
    meta = jobs.start(
        f"echo before; read go < {full}; seq 1 100000; read go < {free}; echo after",
        outputs={"last": "STRING"},
    )
    wait_for(lambda: jobs.logs(meta)[0])
    with opened_by_the_job(full) as go:
        filler = fill(small_disk)
        go.write("go\n")
    with opened_by_the_job(free) as go:
        assert jobs.connector.get(meta).phase == Phase.RUNNING
        filler.unlink()
        go.write("go\n")
    assert jobs.end(meta).outputs == {"last": "after"}
    texts = jobs.all_logs(meta)
    assert (texts[0], texts[-1]) == ("before", "after")
    assert any(text.endswith("lines are missing here: the spool was full") for text in texts)


def test_the_outcome_waits_for_space(jobs: Jobs, small_disk: Path) -> None:
    """A job that ends on a full disk is RUNNING until there is space to say how."""
    path = fifo(small_disk.parent / "go")
    text = "x" * 100_000
    meta = jobs.start(
        f'printf \'{{"text": "%s"}}\' {text} > $BATCH_JOB_OUTPUTS; read go < {path}',
        outputs={"text": "STRING"},
    )
    with opened_by_the_job(path) as go:
        filler = fill(small_disk)
        go.write("go\n")
    wait_for(lambda: no_child_of_the_supervisor_runs(jobs, meta))
    assert jobs.connector.get(meta).phase == Phase.RUNNING
    filler.unlink()
    assert jobs.end(meta).outputs == {"text": text}


def test_a_spool_that_is_no_directory_is_unavailable(jobs: Jobs, spool: Spool) -> None:
    """All verbs say so in one line that names the variable."""
    Path(spool.root).write_text("a file")
    meta = BatchJobMetadata("some-job")
    for call in (
        lambda: jobs.start("true"),
        lambda: jobs.connector.get(meta),
        lambda: jobs.connector.delete(meta),
        lambda: list(jobs.connector.get_logs(meta)),
        lambda: jobs.connector.get_metrics(meta),
    ):
        with pytest.raises(ServiceUnavailableError, match="FLYTE_BATCH_JOB_SPOOL"):
            call()
    Path(spool.root).unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_spool_of_somebody_else_is_refused(jobs: Jobs) -> None:
    """A closed directory is not a missing job: that would make Flyte give the job up."""
    meta = jobs.start("true")
    jobs.end(meta)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionDeniedError, match="no access to the spool"):
            jobs.connector.get(meta)
        with pytest.raises(PermissionDeniedError, match="no access to the spool"):
            jobs.start("true", key="other")
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("directory", ["relative/spool", "~no-such-user/spool"])
def test_a_relative_spool_is_refused(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, directory: str) -> None:
    """Where it would be depends on who asks."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", directory)
    with pytest.raises(ServiceUnavailableError, match="not an absolute path"):
        jobs.connector.create(template(), "", {}, idempotency_key="x")


def test_the_spool_is_for_its_user_only(jobs: Jobs, spool: Spool) -> None:
    """Inputs, environment and logs of jobs may be private."""
    meta = jobs.start("true")
    jobs.end(meta)
    for directory in (Path(spool.root), Path(jobs.job(meta).path)):
        assert directory.stat().st_mode & 0o777 == 0o700


def fifo(path: Path) -> Path:
    """A named pipe that the job waits at."""
    os.mkfifo(path)
    return path


def opened_by_the_job(path: Path) -> TextIO:
    """The named pipe, once the job waits at it."""

    def opened() -> TextIO | None:
        with contextlib.suppress(OSError):  # ENXIO: nobody reads yet
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK), "w")
        return None

    pipe: TextIO = wait_for(opened)
    return pipe


def no_child_of_the_supervisor_runs(jobs: Jobs, meta: BatchJobMetadata) -> bool:
    """Whether the command is gone."""
    pid, _ = json.loads(Path(jobs.job(meta).file("begun.json")).read_text())["supervisor"]
    return not Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
