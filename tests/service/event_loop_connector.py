"""A connector that reports its event loop; for `serve --module`."""

from __future__ import annotations

import asyncio
from typing import Any

from flyte_connectors import ConnectorRegistry, Phase, Resource, SyncConnector


class EventLoopTeller(SyncConnector):
    """Answers with the package of its loop."""

    name = "Event Loop Teller"
    task_type_name = "event_loop"

    async def do(self, **kwargs: Any) -> Resource:
        """The package's name."""
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        return Resource(phase=Phase.SUCCEEDED, outputs={"loop": loop})


ConnectorRegistry.register(EventLoopTeller, override=True)
