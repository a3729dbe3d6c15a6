"""A spool of its own for each test, and nothing left running after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_jobs import Jobs, wait_for
from flyte_connectors_batch_job.runner.spool import Spool


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """An empty spool, whose jobs are ended afterwards."""
    directory = tmp_path / "spool"
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(directory))
    spool = Spool(str(directory))
    yield spool
    monkeypatch.undo()
    for path in directory.glob("[!.]*"):
        job = spool.job(path.name)
        job.cancel()
        wait_for(lambda job=job: not job.is_supervised())


@pytest.fixture
def jobs(spool: Spool) -> Jobs:
    """The connector over that spool."""
    return Jobs(spool)
