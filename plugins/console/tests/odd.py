"""Connectors that answer late, with an error, or at once."""

import asyncio
import time
from dataclasses import dataclass

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta
from flyte_connectors.errors import PermissionDeniedError, ServiceUnavailableError


@dataclass
class OddMeta(ResourceMeta):
    job_id: str


class Late(AsyncConnector):
    name = "Late"
    task_type_name = "late"
    metadata_type = OddMeta

    async def create(self, task_template, inputs, *, idempotency_key, **kwargs):
        return OddMeta(job_id=idempotency_key)

    async def get(self, resource_meta, **kwargs):
        await asyncio.sleep(1)
        return Resource(phase=Phase.RUNNING, message="at last")

    async def delete(self, resource_meta, **kwargs): ...


class Away(Late):
    name = "Away"
    task_type_name = "away"

    async def get(self, resource_meta, **kwargs):
        raise ServiceUnavailableError("the vendor is away")


class Refusing(Late):
    name = "Refusing"
    task_type_name = "refusing"

    async def get(self, resource_meta, **kwargs):
        raise PermissionDeniedError("not for this account")


class Endless(Late):
    name = "Endless"
    task_type_name = "endless"

    async def get_logs(self, resource_meta, **kwargs):
        await asyncio.sleep(300)
        yield


class Blocking(Late):
    name = "Blocking"
    task_type_name = "blocking"

    async def get(self, resource_meta, **kwargs):
        time.sleep(0.5)  # noqa: ASYNC251  (it blocks the event loop)
        return Resource(phase=Phase.RUNNING)


for connector in (Late, Away, Refusing, Endless, Blocking):
    ConnectorRegistry.register(connector)
