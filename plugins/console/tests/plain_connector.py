"""A connector without `get_many`, whose jobs run until they are cancelled: what is timed is the way to it and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta


@dataclass
class PlainMeta(ResourceMeta):
    """What identifies a job."""

    key: str


class PlainConnector(AsyncConnector[PlainMeta]):
    """Answers at once."""

    name = "Plain"
    task_type_name = "plain"
    metadata_type = PlainMeta

    async def create(self, idempotency_key: str, **_: Any) -> PlainMeta:
        return PlainMeta(idempotency_key)

    async def get(self, resource_meta: PlainMeta, **_: Any) -> Resource:
        return Resource(Phase.RUNNING)

    async def delete(self, resource_meta: PlainMeta, **_: Any) -> None:
        pass


ConnectorRegistry.register(PlainConnector())
