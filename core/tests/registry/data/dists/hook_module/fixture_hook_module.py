"""A plugin that is a module of hook implementations."""

from __future__ import annotations

from flyte_connectors import Phase, Resource, ResourceMeta, hookimpl

name = "Hooks"
task_type_name = "fixture_hooks"
task_type_version = 1


class Meta(ResourceMeta):
    job: str


metadata_type = Meta


@hookimpl
async def create(idempotency_key: str) -> Meta:
    return Meta(job=idempotency_key)


@hookimpl
async def get(resource_meta: Meta) -> Resource:
    return Resource(Phase.SUCCEEDED)


@hookimpl
async def delete(resource_meta: Meta) -> None:
    pass
