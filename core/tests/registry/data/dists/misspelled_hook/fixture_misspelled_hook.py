"""A plugin with a hook that does not exist."""

from __future__ import annotations

from flyte_connectors import Phase, Resource, ResourceMeta, hookimpl

name = "Misspelled"
task_type_name = "fixture_misspelled"
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


@hookimpl
async def get_log(resource_meta: Meta) -> None:
    pass
