"""A plugin for a hook API of the future."""

from __future__ import annotations

from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta


class Meta(ResourceMeta):
    job: str


class WrongApiConnector(AsyncConnector[Meta]):
    name = "Wrong API"
    task_type_name = "fixture_wrong_api"
    metadata_type = Meta
    hook_api = 99

    async def create(self, idempotency_key: str, **kwargs: Any) -> Meta:
        return Meta(job=idempotency_key)

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED)

    async def delete(self, resource_meta: Meta, **kwargs: Any) -> None:
        pass
