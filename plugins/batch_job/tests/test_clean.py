"""Removing old jobs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs import Jobs, wait_until_alone
from flyte_connectors.connector import Phase

from flyte_connectors_batch_job.clean import main

if TYPE_CHECKING:
    import pytest

    from flyte_connectors_batch_job.backends.local.spool import Spool

TWO_DAYS_AGO = time.time() - 2 * 86400


def age(path: str | Path) -> None:
    """Let nothing have happened there for two days."""
    os.utime(path, (TWO_DAYS_AGO, TWO_DAYS_AGO))


def test_only_old_jobs_that_have_ended_are_removed(
    jobs: Jobs, spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running jobs and young ones stay, remains of crashed creates go."""
    old, young, running = (jobs.start(s, key=s[:5]) for s in ("true", "false", "sleep 60"))
    for meta in (old, young):
        jobs.end(meta)
        wait_until_alone(jobs.job(meta))
    remains = Path(spool.root) / ".new-abc"
    remains.mkdir()
    for path in (jobs.job(old).path, jobs.job(running).path, remains):
        age(path)
    assert main(["--older-than", "1"]) == 0
    assert capsys.readouterr().out == "removed 1 job\n"
    assert {path.name for path in Path(spool.root).iterdir()} == {".spool.json", "false", "sleep"}
    assert jobs.connector.get(running).phase == Phase.RUNNING


def test_a_spool_that_is_not_there_is_one_line(
    spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    """And another exit code."""
    assert main(["--older-than", "1"]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: [Errno 2] No such file or directory: '{spool.root}"
    )
