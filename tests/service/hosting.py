"""A real service in this process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Iterable
from typing import Any

from flyte_connectors._registry.discovery import PluginReport
from flyte_connectors._registry.plugin_hooks import hooks_of
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings, variable_of

from tests.fakes.fake import CONNECTORS

TRANSPORT = os.environ.get(variable_of("transport"), "grpcio")
"""What serves gRPC in these tests; `nox -s asgi` runs them with another one."""


@contextlib.asynccontextmanager
async def hosting(
    *,
    reports: Iterable[PluginReport] = (),
    connectors: Iterable[Any] = CONNECTORS,
    plugins: Iterable[Any] = (),
    **settings: Any,
) -> AsyncIterator[ConnectorService]:
    """A service on free ports for this block.

    Args:
        reports: A load report to tell about.
        connectors: What it hosts.
        plugins: Modules with other hooks.
        **settings: Fields of `ServiceSettings`.
    """
    registry = Registry()
    for connector in connectors:
        registry.register(connector)
    for plugin in plugins:
        registry.take_hooks(hooks_of(plugin))
    usual = ServiceSettings(port=0, metrics_port=0, grace=5.0, transport=TRANSPORT)
    service = ConnectorService(registry, dataclasses.replace(usual, **settings), reports)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
