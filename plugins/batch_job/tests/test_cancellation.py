"""Deleting jobs at any moment of their lives."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import FOREVER, SPEC, Jobs, is_running, wait_for, wait_until_alone
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidResourceMetaError, JobNotFoundError

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local import turns

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.local.spool import Spool


def test_a_deleted_job_is_aborted_when_its_last_process_has_ended(jobs: Jobs) -> None:
    """Until then it is RUNNING, and says that it is being cancelled."""
    meta = jobs.start(f"trap 'sleep 1; exit' TERM; {FOREVER}")
    pids = [jobs.process_id(meta, name) for name in ("pid", "kid")]
    jobs.connector.delete(meta)
    resource = jobs.connector.get(meta)
    assert (resource.phase, resource.message) == (Phase.RUNNING, "being cancelled")
    while (resource := jobs.connector.get(meta)).phase == Phase.RUNNING:
        time.sleep(0.01)
    assert resource.phase == Phase.ABORTED
    assert not any(map(is_running, pids))


def test_delete_ends_a_job_at_once(jobs: Jobs) -> None:
    """The supervisor is told, and does not have to look."""
    meta = jobs.start("sleep 60")
    started = time.monotonic()
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED
    assert time.monotonic() - started < 1


def test_a_cancelled_job_can_still_print(jobs: Jobs) -> None:
    """SIGTERM comes first, and what the job prints then is in the log."""
    meta = jobs.start(f"trap 'echo bye; exit 0' TERM; {FOREVER}")
    jobs.process_id(meta, "kid")
    jobs.connector.delete(meta)
    wait_until_alone(jobs.job(meta))
    assert jobs.all_logs(meta) == ["cancelled: sending SIGTERM", "bye"]


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace_time(spool: Spool) -> None:
    """SIGKILL ends what SIGTERM does not."""
    script = f"trap '' TERM; {FOREVER}"
    job = spool.submit("stubborn", {**SPEC, "script": script, "grace_seconds": 0.3})
    wait_for(lambda: Path(job.file("job/outputs.json.kid")).exists())
    turns.cancel(job)
    wait_until_alone(job)


def test_delete_is_idempotent(jobs: Jobs) -> None:
    """A second delete changes nothing and is not an error."""
    meta = jobs.start("sleep 60")
    jobs.connector.delete(meta)
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta).phase == Phase.ABORTED


def test_a_job_deleted_before_its_start_never_starts(jobs: Jobs, spool: Spool) -> None:
    """A supervisor that comes after the delete finds nothing to do."""
    jobs.run("true", key="first")  # the spool has an identity from now on
    meta = BatchJobMetadata("early")
    spool._publish(jobs.job(meta), {**SPEC, "script": "echo ran"})
    assert jobs.connector.get(meta).phase == Phase.QUEUED
    jobs.connector.delete(meta)
    jobs.start("echo ran", key="early")
    assert jobs.connector.get(meta).phase == Phase.ABORTED
    assert jobs.logs(meta) == ([], "")


def test_a_job_that_is_gone_is_not_found(jobs: Jobs) -> None:
    """The core counts this as success of a delete, and as a lost job of a get."""
    with pytest.raises(JobNotFoundError, match="'gone' is not in the spool"):
        jobs.connector.delete(BatchJobMetadata("gone"))
    with pytest.raises(JobNotFoundError):
        jobs.connector.get(BatchJobMetadata("gone"))


@pytest.mark.parametrize("job_id", ["", "../etc", "a/b", ".", "A", "x" * 64, "a\n"])
def test_a_job_id_never_leads_out_of_the_spool(jobs: Jobs, job_id: str) -> None:
    """A forged meta is refused before any path is made of it."""
    with pytest.raises(InvalidResourceMetaError):
        jobs.connector.delete(BatchJobMetadata(job_id))
