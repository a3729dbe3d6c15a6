"""Connectors that report their thread; one of them blocks it. For `serve --module`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta

LIGHT_SECONDS, BUSY_SECONDS = 0.002, 0.02
"""Of work in a call: less than anybody takes for blocking."""
BLOCK_SECONDS = 0.25


@dataclass
class Nothing(ResourceMeta):
    """A job that does not exist."""

    id: str = "nothing"


class Light(AsyncConnector[Nothing]):
    """Is busy for a moment in every call, as code is that works with what it was sent."""

    name = "Light"
    task_type_name = "light"
    metadata_type = Nothing
    seconds = LIGHT_SECONDS

    async def create(self, **arguments: Any) -> Nothing:
        return Nothing()

    async def get(self, resource_meta: Nothing, **arguments: Any) -> Resource:
        self.work()
        return Resource(phase=Phase.QUEUED, message=threading.current_thread().name)

    async def delete(self, resource_meta: Nothing, **arguments: Any) -> None:
        pass

    def work(self) -> None:
        """Take a little time."""
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass


class Busy(Light):
    """Is busy for longer."""

    name = "Busy"
    task_type_name = "busy"
    seconds = BUSY_SECONDS


class Guilty(Light):
    """Calls a blocking library."""

    name = "Guilty"
    task_type_name = "guilty"

    def work(self) -> None:
        time.sleep(BLOCK_SECONDS)


ConnectorRegistry.register(Light())
ConnectorRegistry.register(Busy())
ConnectorRegistry.register(Guilty())
