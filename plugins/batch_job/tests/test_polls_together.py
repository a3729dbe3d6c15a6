"""Jobs that are polled together: one question to each back end, and each job has its own answer."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from batch_jobs import Jobs
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import Phase, Resource
from flyte_connectors.errors import (
    InvalidResourceMetaError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors_batch_job import BatchJobConnector, BatchJobMetadata, backends
from flyte_connectors_batch_job.backends.interface import JobKey, JobState
from flyte_connectors_batch_job.backends.slurm import backend, cluster, progress
from flyte_connectors_batch_job.backends.slurm.backend import SlurmBackend
from flyte_connectors_batch_job.backends.slurm.channel import Record
from flyte_connectors_batch_job.backends.slurm.files import LocalFiles
from flyte_connectors_batch_job.backends.slurm.memory import Memory
from flyte_connectors_batch_job.backends.slurm.order import name_of
from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings
from flyte_connectors_batch_job.backends.slurm.view import View

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

KNOWN = 10_000


class Controller:
    """Lists the jobs that it is given, and counts what it is asked."""

    def __init__(self, listed: list[Record], *, has_accounting: bool = True) -> None:
        self.listed = listed
        self.has_accounting = has_accounting
        self.lists = 0
        self.accounts: list[set[int]] = []

    def jobs(self) -> list[Record]:
        self.lists += 1
        return self.listed

    def ended(self, job_ids: Collection[int]) -> list[Record]:
        self.accounts.append(set(job_ids))
        if not self.has_accounting:
            return []
        return [Record(one, None, name_of(f"k-{one}"), "CANCELLED", cancelled_by="0") for one in job_ids]

    def kept_seconds(self) -> float:
        return 300.0


def slurm(monkeypatch: pytest.MonkeyPatch, folder: Path, controller: Controller, seconds: float) -> None:
    """Have the back end ask this controller, at most once in so many seconds."""
    view = View(controller, seconds)  # type: ignore[arg-type]
    settings = SlurmSettings(folder=str(folder))
    of_tests = cluster.Cluster(settings, controller, LocalFiles(str(folder)), view, Memory())  # type: ignore[arg-type]
    monkeypatch.setattr(backend, "current", lambda: of_tests)


def folder_of(folder: Path, number: int) -> None:
    """The folder of a job that was released, and never began."""
    job = folder / f"k-{number}"
    job.mkdir()
    (job / "spec.json").write_text("{}")
    (job / "owner-1").symlink_to(str(number))
    (job / "released-1").symlink_to("1")


def test_an_engine_that_does_not_answer_delays_no_other_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own jobs are asked about again."""
    answers = threading.Event()

    class Hanging(SlurmBackend):
        def states(self, jobs: Sequence[JobKey]) -> list[JobState | Exception]:
            assert answers.wait(30)
            return super().states(jobs)

    load = backends.load
    monkeypatch.setattr(backends, "load", lambda name: Hanging() if name == "slurm" else load(name))
    monkeypatch.setenv("FLYTE_BATCH_JOB_BACKENDS", "local,slurm")
    done = jobs.start("true", key="done")
    jobs.end(done)
    began = time.monotonic()
    try:
        here, there = jobs.connector.get_many([done, BatchJobMetadata("s-1", backend="slurm", handle="17")])
    finally:
        answers.set()
    assert time.monotonic() - began < 10
    assert isinstance(here, Resource)
    assert here.phase == Phase.SUCCEEDED
    assert isinstance(there, ServiceUnavailableError)


def test_each_job_has_its_own_answer(jobs: Jobs) -> None:
    """In their order, whatever is wrong with the others; those of a back end that can't be asked are not known."""
    done = jobs.start("true", key="done")
    jobs.end(done)
    found = jobs.connector.get_many(
        [
            BatchJobMetadata("gone", done.spool_id),
            done,
            BatchJobMetadata("no id!"),
            BatchJobMetadata("s-1", backend="slurm", handle="17"),
            BatchJobMetadata("s-2", backend="elsewhere"),
            BatchJobMetadata("s-3", backend="slurm", handle="17"),
            done,
        ]
    )
    assert list(map(type, found)) == [
        JobNotFoundError,
        Resource,
        InvalidResourceMetaError,
        ServiceUnavailableError,
        InvalidResourceMetaError,
        ServiceUnavailableError,
        Resource,
    ]
    ends = [one.phase for one in found if isinstance(one, Resource)]
    assert ends == [Phase.SUCCEEDED, Phase.SUCCEEDED]


def test_ten_thousand_known_jobs_are_one_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Polled at the same time, and again within the interval."""
    listed = [Record(n, None, name_of(f"k-{n}"), "RUNNING") for n in range(KNOWN)]
    controller = Controller(listed)
    slurm(monkeypatch, tmp_path, controller, seconds=60)
    registry = Registry()
    registry.register(BatchJobConnector())
    dispatcher = Dispatcher(registry, CallGuard(), local=True)
    requests = [
        pb.GetTaskRequest(
            resource_meta=BatchJobMetadata(f"k-{n}", backend="slurm", handle=str(n)).encode(),
            task_category={"name": "batch_job"},
        )
        for n in range(KNOWN)
    ]

    async def poll_twice() -> None:
        for polled in (requests, requests[:100]):
            replies = await asyncio.gather(*map(dispatcher.get, polled))
            assert {reply.resource.phase for reply in replies} == {int(Phase.RUNNING)}

    asyncio.run(poll_twice())
    assert controller.lists == 1


def test_accounting_is_asked_once_about_all_jobs_that_are_not_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And a job whose folder is damaged, or gone, spoils none of the others."""
    for number in range(20):
        folder_of(tmp_path, number)
    (tmp_path / "k-3" / "spec.json").unlink()
    controller = Controller([])
    slurm(monkeypatch, tmp_path, controller, seconds=0)
    keys = [JobKey(f"k-{n}", str(n)) for n in range(21)]
    SlurmBackend().states(keys)  # a job has to be missing twice
    found = SlurmBackend().states(keys)
    assert len(controller.accounts) == 1
    assert controller.accounts[0] >= set(range(20)) - {3}
    states = [one for n, one in enumerate(found) if n not in (3, 20)]
    assert all("cancelled in Slurm by user 0" in str(state) for state in states)
    assert isinstance(found[3], JobNotFoundError)
    assert isinstance(found[20], JobNotFoundError)


def test_a_job_that_slurm_has_forgotten_without_an_outcome_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is never taken for a success."""
    monkeypatch.setattr(progress, "FILES_SECONDS", 0.0)
    folder_of(tmp_path, 1)
    (tmp_path / "k-1" / "0").mkdir()
    (tmp_path / "k-1" / "0" / "begun").symlink_to("1")
    slurm(monkeypatch, tmp_path, Controller([], has_accounting=False), seconds=0)
    key = JobKey("k-1", "1")
    SlurmBackend().states([key])
    (found,) = SlurmBackend().states([key])
    assert not isinstance(found, Exception)
    assert found.phase == Phase.RETRYABLE_FAILED
    assert found.message == "Slurm no longer knows the job, which wrote no outcome: its node may have failed"
