"""Two connectors for the watch over the event loop: one computes for a moment, the other blocks."""

from __future__ import annotations

import time
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta

COMPUTES_SECONDS = 0.03
BLOCKS_SECONDS = 0.25


class Meta(ResourceMeta):
    """Empty."""


class InnocentConnector(AsyncConnector[Meta]):
    """Computes for less time than anybody notices."""

    name = "Innocent Connector"
    task_type_name = "innocent"
    metadata_type = Meta

    async def create(self, **_: Any) -> Meta:
        """Start nothing."""
        return Meta()

    async def get(self, **_: Any) -> Resource:
        """A job that runs for ever."""
        ends = time.thread_time() + COMPUTES_SECONDS
        while time.thread_time() < ends:
            pass
        return Resource(phase=Phase.RUNNING)

    async def delete(self, **_: Any) -> None:
        """Nothing to do."""


class GuiltyConnector(InnocentConnector):
    """Blocks the event loop."""

    name = "Guilty Connector"
    task_type_name = "guilty"

    async def get(self, **_: Any) -> Resource:
        """The same, after a call that blocks."""
        time.sleep(BLOCKS_SECONDS)  # noqa: ASYNC251  (the fault)
        return Resource(phase=Phase.RUNNING)


ConnectorRegistry.register(InnocentConnector())
ConnectorRegistry.register(GuiltyConnector())
