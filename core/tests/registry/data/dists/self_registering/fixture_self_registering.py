"""A plugin whose module registers its connector by itself."""

from __future__ import annotations

from typing import Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta


class Meta(ResourceMeta):
    job: str


class SelfRegistered(AsyncConnector[Meta]):
    name = "Self"
    task_type_name = "fixture_self"
    metadata_type = Meta

    async def create(self, idempotency_key: str, **kwargs: Any) -> Meta:
        return Meta(job=idempotency_key)

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED)

    async def delete(self, resource_meta: Meta, **kwargs: Any) -> None:
        pass


ConnectorRegistry.register(SelfRegistered)
