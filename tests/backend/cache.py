"""The cache: reads the state of every launched task in the background, a few at a time.

Source: `webapi/cache.go` of Flyte's back end. Failed reads of a task are counted and the count is
never reset; with more than `MAX_FAILURES` the cache gives the task up and never reads it again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from flyteidl2.core.execution_pb2 import TaskExecution

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import Resource

    from .service_client import ServiceClient
    from .task import Task

MAX_FAILURES = 5
WORKERS = 10

TERMINAL = {
    TaskExecution.SUCCEEDED,
    TaskExecution.ABORTED,
    TaskExecution.FAILED,
    TaskExecution.RETRYABLE_FAILED,
}


@dataclass
class Item:
    """What the cache knows of a task.

    Attributes:
        resource: The last one read; None before the first.
        given_up: Whether the cache has stopped reading.
        news: Set when one of the above may have changed.
    """

    task: Task
    resource: Resource | None = None
    given_up: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to read."""
        return self.given_up or (self.resource is not None and self.resource.phase in TERMINAL)


class Cache:
    """Reads all its items once per poll interval, with `WORKERS` reads at a time."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._items: dict[str, Item] = {}

    def add(self, task: Task) -> Item:
        """Begin to read a task."""
        return self._items.setdefault(task.name, Item(task))

    def drop(self, task: Task) -> None:
        """Forget a task."""
        self._items.pop(task.name, None)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            due = asyncio.Queue[Item]()
            for item in self._items.values():
                due.put_nowait(item)
            pause = asyncio.create_task(asyncio.sleep(self._client.timings.poll))
            try:
                await asyncio.gather(*(self._work(due) for _ in range(WORKERS)))
                await pause
            finally:
                pause.cancel()

    async def _work(self, due: asyncio.Queue[Item]) -> None:
        while not due.empty():
            item = due.get_nowait()
            if not item.settled:
                await self.sync(item)

    async def sync(self, item: Item) -> None:
        """Read one task, or give it up."""
        if item.task.state.failures > MAX_FAILURES:
            item.given_up = True
        else:
            try:
                reply = await self._client.call("GetTask", item.task.get_request())
                item.resource = reply.resource
            except grpc.aio.AioRpcError:
                item.task.state.failures += 1
        item.news.set()
