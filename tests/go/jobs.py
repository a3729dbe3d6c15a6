"""A connector whose jobs are times: they end by themselves, on whichever replica one asks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta
from flyteidl2.logs.dataplane.payload_pb2 import LogLine


@dataclass
class GoJob(ResourceMeta):
    """A job's key and end, the seconds that a poll takes, and whether its log never ends."""

    key: str
    ends: float
    slow: float
    endless: bool = False


class GoConnector(AsyncConnector[GoJob]):
    """Jobs of half a second; their messages name the replica that answers."""

    name = "Go Connector"
    task_type_name = "go_job"
    metadata_type = GoJob

    async def create(self, task_template: Any, *, idempotency_key: str, **kwargs: Any) -> GoJob:
        custom = dict(task_template.custom)
        await asyncio.sleep(custom.get("slow_create", 0))
        slow, endless = custom.get("slow", 0), bool(custom.get("endless", 0))
        return GoJob(idempotency_key, int(time.time()) + 1.0, slow, endless)

    async def get(self, resource_meta: GoJob, **kwargs: Any) -> Resource:
        await asyncio.sleep(resource_meta.slow)
        is_over = time.time() > resource_meta.ends
        return Resource(
            phase=Phase.SUCCEEDED if is_over else Phase.QUEUED,
            message=str(os.getpid()),
            outputs={"key": resource_meta.key} if is_over else None,
        )

    async def get_logs(self, resource_meta: GoJob, **kwargs: Any) -> AsyncIterator[LogLine]:
        for number in range(10_000):
            yield LogLine(message=f"line {number}")
        while resource_meta.endless:
            yield LogLine(message="line and no end")
            await asyncio.sleep(0.01)

    async def delete(self, resource_meta: GoJob, **kwargs: Any) -> None:
        """Nothing to stop."""


ConnectorRegistry.register(GoConnector)
