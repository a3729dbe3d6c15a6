"""A spool of its own for each test, and nothing left running after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from batch_jobs import Jobs, wait_until_alone

from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """An empty spool, whose jobs are ended afterwards."""
    directory = tmp_path / "spool"
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(directory))
    spool = Spool(str(directory))
    yield spool
    monkeypatch.undo()
    spool = Spool(str(directory))  # its identity may have changed
    for path in directory.glob("[!.]*"):
        job = spool.job(path.name)
        job.cancel()
        wait_until_alone(job)


@pytest.fixture
def jobs(spool: Spool) -> Jobs:
    """The connector over that spool."""
    return Jobs(spool)
