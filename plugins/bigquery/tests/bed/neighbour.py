"""A connector beside BigQuery's in the same service, and the stopwatch for its calls.

As a module it is hosted (`serve --module`); as a program it calls it for each line that it reads, and
prints the 99th percentile in seconds. The stopwatch is a process of its own, so that it measures the
service alone.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta
from flyte_connectors.client.remote import RemoteService
from flyteidl2.connector import connector_pb2 as pb

CALLS = 800
WARM_UP = "warm-up"
"""The service's thread, and what the neighbour says while there is one."""

REQUEST = pb.GetTaskRequest(resource_meta=b'{"job_id": "endless"}', task_category=pb.TaskCategory(name="neighbour"))
"""About its only job."""


@dataclass
class NeighbourMeta(ResourceMeta):
    """Finds a job that never ends."""

    job_id: str


class Neighbour(AsyncConnector[NeighbourMeta]):
    """Answers at once."""

    name = "Neighbour"
    task_type_name = "neighbour"
    metadata_type = NeighbourMeta

    async def create(self, **kwargs: Any) -> NeighbourMeta:
        return NeighbourMeta("endless")

    async def get(self, resource_meta: NeighbourMeta, **kwargs: Any) -> Resource:
        warming_up = any(thread.name == WARM_UP for thread in threading.enumerate())
        return Resource(phase=Phase.RUNNING, message=WARM_UP if warming_up else None)

    async def delete(self, resource_meta: NeighbourMeta, **kwargs: Any) -> None:
        pass


async def measure(address: str) -> None:
    """For each line read, make `CALLS` calls one after the other; print what 99 % stay below."""
    async with RemoteService(address) as remote:
        for _ in sys.stdin:
            times = []
            for _ in range(CALLS):
                started = time.perf_counter()
                await remote.get(REQUEST)
                times.append(time.perf_counter() - started)
                await asyncio.sleep(0.001)
            print(statistics.quantiles(times, n=100)[98], flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1]))
elif __name__ != "bed.neighbour":
    ConnectorRegistry.register(Neighbour())
