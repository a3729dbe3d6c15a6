"""Badly behaving connectors, served next to the vendor's.

    quiet     does nothing at all
    blocker   blocks the event loop for 0.2 s in every `create`
    leaker    leaves a task and 10 kB behind in every `get`
    hog       keeps a thread of the event loop's pool for half a minute in every `create`
    plain_hog keeps a thread of its own pool, as a plain function (ours only)

They load into either service.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from flyteidl2.core.execution_pb2 import TaskExecution

OURS = importlib.util.find_spec("flyte_connectors") is not None

if OURS:
    from flyte_connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
else:
    from flyte.connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta

BLOCK_SECONDS = 0.2
HOG_SECONDS = 30.0


@dataclass
class Nothing(ResourceMeta):
    """A job that does not exist."""

    id: str = "nothing"


class Neighbour(AsyncConnector[Nothing]):
    """A connector whose job runs for ever."""

    metadata_type = Nothing

    async def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Any = None,
        task_execution_metadata: Any = None,
        **kwargs: Any,
    ) -> Nothing:
        await self.trouble_at_create()
        return Nothing()

    async def get(self, resource_meta: Nothing, **kwargs: Any) -> Resource:
        await self.trouble_at_get()
        return Resource(phase=TaskExecution.RUNNING)

    async def delete(self, resource_meta: Nothing, **kwargs: Any) -> None:
        pass

    async def trouble_at_create(self) -> None:
        """What this neighbour does to the others in `create`."""

    async def trouble_at_get(self) -> None:
        """What this neighbour does to the others in `get`."""


class Quiet(Neighbour):
    """Has no trouble, and answers at once."""

    name = "Quiet"
    task_type_name = "quiet"


class Blocker(Neighbour):
    """Calls a blocking library in `async def`."""

    name = "Blocker"
    task_type_name = "blocker"

    async def trouble_at_create(self) -> None:
        time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251 - that is the fault


class Leaker(Neighbour):
    """Forgets what it starts."""

    name = "Leaker"
    task_type_name = "leaker"
    kept: ClassVar[list[asyncio.Task[None]]] = []

    async def trouble_at_get(self) -> None:
        self.kept.append(asyncio.create_task(self.forever(bytes(10_000))))

    async def forever(self, ballast: bytes) -> None:
        """Keep the ballast."""
        await asyncio.Event().wait()


class Hog(Neighbour):
    """Fills the event loop's own thread pool."""

    name = "Hog"
    task_type_name = "hog"

    async def trouble_at_create(self) -> None:
        await asyncio.to_thread(time.sleep, HOG_SECONDS)


class PlainHog(Neighbour):
    """Fills the threads that the service gives to plain functions."""

    name = "Plain Hog"
    task_type_name = "plain_hog"

    def create(self, *_: Any, **__: Any) -> Nothing:  # type: ignore[override]
        time.sleep(HOG_SECONDS)
        return Nothing()


NEIGHBOURS: list[Neighbour] = [Quiet(), Blocker(), Leaker(), Hog()]
if OURS:
    NEIGHBOURS.append(PlainHog())  # the official service has no threads for plain functions
for neighbour in NEIGHBOURS:
    ConnectorRegistry.register(neighbour)
