"""The command, with a state directory, a spool and a job service of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.fakes.job_service import FOLDER_VARIABLE, JobService
from tests.fakes.serve_process import FAKE, ServeProcess, serving


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobService:
    """An empty job service, for this process and those that it starts."""
    folder = tmp_path / "fake-jobs"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return JobService(folder)


@pytest.fixture
def command(jobs: JobService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`flyte-connectors` in a world of its own; what is still running afterwards is ended."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "spool"))
    command = Command()
    yield command
    command.end_all()


@pytest.fixture
def service(command: Command, tmp_path: Path) -> Iterator[ServeProcess]:
    """A service with the fake connectors."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        yield service
