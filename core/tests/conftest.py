"""A fake job service, its connector in a registry, and the shared call path over it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests share `fake_jobs`

import hypothesis
from fake_jobs import JobConnector, JobService
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry import table as registry_module
from flyte_connectors._registry.table import Registry
from site_packages import Site

hypothesis.settings.register_profile("shared machine", deadline=None, max_examples=50)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the state, the secrets or the settings of this machine's user."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.delenv("FLYTE_CONNECTORS_ALLOW", raising=False)
    monkeypatch.delenv("FLYTE_CONNECTORS_DENY", raising=False)
    monkeypatch.delenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", raising=False)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Distributions whose names begin with `fixture_`, as if they were installed."""
    folder = tmp_path / "site-packages"
    site = Site(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield site
    for module in [module for module in sys.modules if module.startswith("fixture_")]:
        del sys.modules[module]


@pytest.fixture
def service() -> JobService:
    return JobService()


@pytest.fixture
def registry(service: JobService) -> Registry:
    """A registry with the fake service's connector."""
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


@pytest.fixture
def process_registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An empty registry in the place of this process's own."""
    registry = Registry()
    monkeypatch.setattr(registry_module, "_process_registry", registry)
    return registry
