"""A real service in this process."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterable
from typing import Any

from flyte_connectors._registry.discovery import PluginReport
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings

from tests.fakes.fake import CONNECTORS


@contextlib.asynccontextmanager
async def hosting(
    *, reports: Iterable[PluginReport] = (), connectors: Iterable[Any] = CONNECTORS, **settings: Any
) -> AsyncIterator[ConnectorService]:
    """A service on free ports for this block.

    Args:
        reports: A load report to tell about.
        connectors: What it hosts.
        **settings: Fields of `ServiceSettings`.
    """
    registry = Registry()
    for connector in connectors:
        registry.register(connector)
    usual = ServiceSettings(port=0, metrics_port=0, grace=5.0)
    service = ConnectorService(registry, dataclasses.replace(usual, **settings), reports)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
