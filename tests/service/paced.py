"""A connector whose verbs take 2 to 3 ms, as those of a vendor nearby do; it records every job that it starts."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta

RECORD_VARIABLE = "PACED_RECORD"
TASK_TYPE = "paced"


@dataclass
class PacedMeta(ResourceMeta):
    """The job's key."""

    key: str


class PacedConnector(AsyncConnector[PacedMeta]):
    """Each verb waits a little; a create appends its key to the file that `PACED_RECORD` names."""

    name = "Paced Connector"
    task_type_name = TASK_TYPE
    metadata_type = PacedMeta

    async def create(self, idempotency_key: str, task_template: Any, **_: Any) -> PacedMeta:
        """Start a job."""
        await asyncio.sleep(float(dict(task_template.custom).get("seconds", _pause())))
        with open(os.environ[RECORD_VARIABLE], "a") as record:  # noqa: ASYNC230, PTH123
            record.write(f"{idempotency_key}\n")
        return PacedMeta(idempotency_key)

    async def get(self, resource_meta: PacedMeta, **_: Any) -> Resource:
        """A job that runs for ever."""
        await asyncio.sleep(_pause())
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: PacedMeta, **_: Any) -> None:
        """Nothing to do."""


def _pause() -> float:
    return random.uniform(0.002, 0.003)


ConnectorRegistry.register(PacedConnector())
