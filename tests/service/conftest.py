"""A service in this process on a free port, its clients, and the jobs behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.job_service import FOLDER_VARIABLE, JobService
from tests.service.client import Client
from tests.service.hosting import hosting


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobService:
    """An empty job service, for this process and those that it starts."""
    folder = tmp_path / "fake-jobs"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return JobService(folder)


@pytest.fixture
async def client(jobs: JobService) -> AsyncIterator[Client]:
    """A client of a service that hosts the fake connectors."""
    async with hosting() as service, Client(service.address) as client:
        yield client


@pytest.fixture
async def strict_client(jobs: JobService) -> AsyncIterator[Client]:
    """A client with little time, of a service that answers GetTask with errors, too."""
    async with (
        hosting(transient_errors="raise") as service,
        Client(service.address, deadline=1.0) as client,
    ):
        yield client
