"""What plugins load once the service answers, so that no call waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import types
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from flyte_connectors import Phase, Resource, SyncConnector, hookimpl
from flyte_connectors._registry.discovery import load_module
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.health import ServiceHealth
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings

from tests.service.hosting import TRANSPORT

SECONDS = 10.0


class Loading(SyncConnector):
    """Needs a library that takes its time."""

    name = "Loading"
    task_type_name = "loading"

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.goes_on = threading.Event()

    @hookimpl
    def warm_up(self) -> None:
        self.begun.set()
        assert self.goes_on.wait(SECONDS)

    async def do(self, **kwargs: Any) -> Resource:
        return Resource(phase=Phase.SUCCEEDED)


def plugin(function: Callable[[], object]) -> types.ModuleType:
    """A module with the hook."""
    module = types.ModuleType("warm")

    @hookimpl
    def warm_up() -> None:
        function()

    module.warm_up = warm_up  # type: ignore[attr-defined]
    return module


@contextlib.asynccontextmanager
async def serving(registry: Registry) -> AsyncIterator[ConnectorService]:
    service = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0, grace=1.0, transport=TRANSPORT))
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def happened(event: threading.Event) -> bool:
    return await asyncio.to_thread(event.wait, SECONDS)


async def test_a_service_answers_before_its_plugins_are_warm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says SERVING first, and does not wait for the plugins, neither at its start nor at its end."""
    ready = threading.Event()
    set_ready = ServiceHealth.set_ready

    async def told(health: ServiceHealth) -> None:
        assert not connector.begun.is_set()
        await set_ready(health)
        ready.set()

    monkeypatch.setattr(ServiceHealth, "set_ready", told)
    registry, connector = Registry(), Loading()
    registry.register(connector)
    async with serving(registry):
        assert ready.is_set()
        assert await happened(connector.begun)
    connector.goes_on.set()


async def test_a_plugin_that_can_not_warm_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The others are warmed up all the same."""
    registry, warm = Registry(), threading.Event()
    load_module(registry, plugin(lambda: 1 / 0), "first")
    load_module(registry, plugin(warm.set), "second")
    with caplog.at_level(logging.WARNING):
        async with serving(registry):
            assert await happened(warm)
    assert "failed: ZeroDivisionError" in caplog.text


def test_nothing_is_warmed_up_twice() -> None:
    """However often a plugin is taken."""
    registry, connector = Registry(), Loading()
    registry.register(connector)
    registry.register(connector, override=True)
    assert registry.hooks["warm_up"] == (connector.warm_up,)
