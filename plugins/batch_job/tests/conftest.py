"""A spool of its own for each test, and nothing left running after it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from batch_jobs import Jobs, wait_until_alone

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local import turns
from flyte_connectors_batch_job.backends.local.arrays import members
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    """An empty spool, whose jobs are ended afterwards."""
    directory = tmp_path / "spool"
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(directory))
    spool = Spool(str(directory))
    yield spool
    monkeypatch.undo()
    spool = Spool(str(directory))  # its identity may have changed
    for path in filter(Path.is_dir, directory.glob("[!.]*")):
        job = spool.job(path.name)
        turns.cancel(job)
        for one in members(job) or [job]:
            wait_until_alone(one)


@pytest.fixture
def jobs(spool: Spool) -> Jobs:
    """The connector over that spool."""
    return Jobs(spool)


@pytest.fixture
def small_disk(spool: Spool, jobs: Jobs) -> Iterator[Path]:
    """The spool on a file system of 1 MiB of its own."""
    disk = Path(spool.root)
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "batch-job-test", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield disk
        for path in disk.glob("[!.]*"):
            if path.is_dir():
                jobs.connector.delete(BatchJobMetadata(path.name))
                wait_until_alone(spool.job(path.name))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
