"""A plugin of plain functions."""

from __future__ import annotations

from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta


class Meta(ResourceMeta):
    job: str


class PlainConnector(AsyncConnector[Meta]):
    name = "Plain"
    task_type_name = "fixture_plain"
    metadata_type = Meta

    def create(self, idempotency_key: str, **kwargs: Any) -> Meta:
        return Meta(job=idempotency_key)

    def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED)

    def delete(self, resource_meta: Meta, **kwargs: Any) -> None:
        pass
