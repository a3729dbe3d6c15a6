"""A spool that is another's, or not there, says nothing about a job."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import JobNotFoundError, ServiceUnavailableError

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local import identity
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from batch_jobs import Jobs


def be_absent(root: Path) -> None:
    """As on a replica that never ran a job."""
    root.rename(root.with_name("elsewhere"))


def be_empty(root: Path) -> None:
    """As a mount point without its volume."""
    be_absent(root)
    root.mkdir(mode=0o700)


def be_another(root: Path) -> None:
    """As another replica's own."""
    be_empty(root)
    identity.ensure(str(root))


def come_back(root: Path) -> None:
    """Mount the volume again."""
    shutil.rmtree(root, ignore_errors=True)
    root.with_name("elsewhere").rename(root)


@pytest.mark.parametrize("change", [be_absent, be_empty, be_another])
def test_a_job_of_another_spool_is_not_here_and_not_lost(jobs: Jobs, change: Callable[[Path], None]) -> None:
    """Every verb says so with an error that is tried again; once the spool is back, all is well."""
    meta = jobs.start("sleep 60")
    root = Path(jobs.spool.root)
    change(root)
    try:
        for call in (
            lambda: jobs.connector.get(meta),
            lambda: jobs.connector.delete(meta),
            lambda: list(jobs.connector.get_logs(meta)),
            lambda: jobs.connector.get_metrics(meta),
        ):
            with pytest.raises(ServiceUnavailableError, match="not mounted on this replica") as told:
                call()
            assert meta.spool_id in told.value.message
            assert "FLYTE_BATCH_JOB_RETIRED_SPOOLS" in told.value.message
    finally:
        come_back(root)
    assert jobs.connector.get(meta).phase == Phase.RUNNING


@pytest.mark.parametrize("change", [be_absent, be_empty, be_another])
def test_a_job_goes_on_while_its_spool_is_away(jobs: Jobs, tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Its end is reported when the spool is back."""
    meta = jobs.start(f"touch {tmp_path}/ran; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 3")
    wait_for((tmp_path / "ran").exists)
    root = Path(jobs.spool.root)
    change(root)
    try:
        time.sleep(0.5)
        (tmp_path / "go").touch()
        time.sleep(0.5)
        assert not list(root.glob("**/.queue"))  # nothing of this spool is written elsewhere
    finally:
        come_back(root)
    assert jobs.end(meta).message == "the job ended with exit code 3"


def test_a_retired_spool_takes_its_jobs_along(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator declares that it was deleted: then its jobs are lost, and can be deleted."""
    gone = BatchJobMetadata("gone", "a" * 32)
    monkeypatch.setenv("FLYTE_BATCH_JOB_RETIRED_SPOOLS", f"{'b' * 32}, {'a' * 32}")
    for verb in (jobs.connector.get, jobs.connector.delete):
        with pytest.raises(JobNotFoundError, match="retired"):
            verb(gone)


def test_a_meta_of_an_older_release_is_looked_for_in_any_spool(jobs: Jobs) -> None:
    """It names no spool."""
    meta = jobs.start("true")
    assert meta.spool_id
    jobs.end(meta)
    old = BatchJobMetadata.decode(b'{"job_id": "a-job"}')
    assert old.spool_id == ""
    assert jobs.connector.get(old).phase == Phase.SUCCEEDED


def test_a_spool_is_given_one_identity(tmp_path: Path) -> None:
    """Whoever races for it."""
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(identity.ensure, [str(tmp_path)] * 32))
    assert len(ids) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 3}', '{"id": "../x"}', "\udcff", None])
def test_a_damaged_identity_is_named(jobs: Jobs, content: str | None) -> None:
    """No job starts in a spool that does not know itself, and none of its jobs is lost."""
    meta = jobs.start("true")
    jobs.end(meta)
    path = Path(identity.path(jobs.spool.root))
    kept = path.read_bytes()
    path.unlink()
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(os.fsencode(content))
    try:
        with pytest.raises(ServiceUnavailableError, match=r"\.spool\.json"):
            jobs.connector.get(meta)
        with pytest.raises(ServiceUnavailableError, match=r"\.spool\.json"):
            jobs.start("true", key="another")
    finally:
        path.unlink()
        path.write_bytes(kept)


def test_two_services_on_one_spool_share_its_jobs(jobs: Jobs) -> None:
    """Each sees the other's, by the same id."""
    meta = jobs.start("true")
    assert Spool(jobs.spool.root).id == meta.spool_id
    assert jobs.end(meta).phase == Phase.SUCCEEDED


def test_a_spool_that_stays_away_was_removed(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor gives its job up then, and not before."""
    meta = jobs.start("sleep 60")
    job = jobs.job(meta)
    be_absent(Path(jobs.spool.root))
    try:
        assert not job.is_removed()
        clock = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: clock + 61)
        assert job.is_removed()
    finally:
        come_back(Path(jobs.spool.root))
    assert not job.is_removed()
