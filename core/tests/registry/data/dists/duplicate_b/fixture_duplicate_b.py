"""The other of two plugins for one task type."""

from __future__ import annotations

from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta


class Meta(ResourceMeta):
    job: str


class Second(AsyncConnector[Meta]):
    name = "Second"
    task_type_name = "fixture_duplicate"
    metadata_type = Meta

    async def create(self, idempotency_key: str, **kwargs: Any) -> Meta:
        return Meta(job=idempotency_key)

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED)

    async def delete(self, resource_meta: Meta, **kwargs: Any) -> None:
        pass
