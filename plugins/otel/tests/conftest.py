"""The fake job service of the core's tests, and the shared call path over it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "core" / "tests"))

from fake_jobs import JobConnector, JobService
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry


@pytest.fixture
def service() -> JobService:
    return JobService()


@pytest.fixture
def registry(service: JobService) -> Registry:
    registry = Registry()
    registry.register(JobConnector(service))
    return registry


@pytest.fixture
async def guard() -> AsyncIterator[CallGuard]:
    guard = CallGuard()
    yield guard
    await guard.drain(5)


@pytest.fixture
def dispatcher(registry: Registry, guard: CallGuard) -> Dispatcher:
    return Dispatcher(registry, guard)
