"""The jobs' ids, keys and statuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from flyte_connectors_training_service.job_store import (
    JobConflictError,
    JobStore,
    UnknownJobError,
)
from flyte_connectors_training_service.training_spec import TrainingSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEC = TrainingSpec("file:///data.csv", 3)
OTHER = TrainingSpec("file:///data.csv", 4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """An empty store."""
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def test_the_same_id_gives_the_same_job(store: JobStore) -> None:
    """Only the first submission makes one."""
    first, is_new = store.submit("job", None, SPEC)
    assert is_new
    assert store.submit("job", None, SPEC) == (first, False)


def test_the_same_key_gives_the_same_job(store: JobStore) -> None:
    """Also where the id, made by the service, is another one."""
    first, _ = store.submit("one", "key", SPEC)
    assert store.submit("two", "key", SPEC) == (first, False)


def test_racing_submissions_make_one_job(store: JobStore) -> None:
    """Sixteen threads, one key, one new job."""
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda number: store.submit(f"job{number}", "key", SPEC), range(16)))
    assert len({job.job_id for job, _ in replies}) == 1
    assert sum(is_new for _, is_new in replies) == 1


@pytest.mark.parametrize(("job_id", "key"), [("job", None), ("new", "key"), ("second", "key")])
def test_another_training_under_the_same_name_is_a_conflict(store: JobStore, job_id: str, key: str | None) -> None:
    """By id, by key, or where id and key belong to two jobs."""
    store.submit("job", "key", SPEC)
    store.submit("second", None, OTHER)
    with pytest.raises(JobConflictError, match="exists with another spec"):
        store.submit(job_id, key, OTHER)


def test_an_unknown_job_is_named(store: JobStore) -> None:
    """The id is in the text."""
    with pytest.raises(UnknownJobError, match="no job 'nobody'"):
        store.job("nobody")


def test_the_first_ending_is_the_only_one(store: JobStore) -> None:
    """A job that was cancelled does not finish, nor begin again."""
    store.submit("job", None, SPEC)
    store.end("job", "cancelled", "by request")
    store.end("job", "finished", "trained")
    assert not store.begin("job")
    assert store.job("job").status == "cancelled"
    assert store.unfinished(10) == []


def test_jobs_begun_come_first_then_the_oldest(store: JobStore) -> None:
    """What was running before a restart goes on, then the queue in its order."""
    for name in ("a", "b", "c"):
        store.submit(name, None, SPEC)
    store.begin("c")
    assert [job.job_id for job in store.unfinished(10)] == ["c", "a", "b"]
    assert [job.job_id for job in store.latest(2)] == ["c", "b"]


def test_jobs_survive_the_process(store: JobStore, tmp_path: Path) -> None:
    """Another store on the same file knows them, with the time they began."""
    store.submit("job", None, SPEC)
    store.begin("job")
    again = JobStore(tmp_path / "jobs.sqlite")
    assert again.job("job") == store.job("job")
    again.close()
