"""Connectors of a vendor that gives each job an id of its own: to post twice is to have two jobs.

They take no `idempotency_key`, so none of their creates may be repeated, by anybody. `own_id_job` has
coroutines, `own_id_plain` plain functions, as most vendors' SDKs make them. Their errors say nothing of
what may be repeated: a connector's author does not think of that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Resource

from .vendor_client import call
from .vendor_connector import PHASES, VendorJob, vendor_faults

if TYPE_CHECKING:
    from collections.abc import Mapping


class OwnIdConnector(AsyncConnector[VendorJob]):
    """Posts a job and keeps the id that it is given."""

    name = "Own Id"
    task_type_name = "own_id_job"
    metadata_type = VendorJob

    async def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: Any = None,
        *,
        api_key: str | None = None,
        **kwargs: Any,
    ) -> VendorJob:
        return await post(task_template, output_prefix, inputs, task_execution_metadata, api_key)

    async def get(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> Resource:
        return await read(resource_meta, api_key)

    async def delete(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> None:
        await cancel(resource_meta, api_key)


class OwnIdPlainConnector(AsyncConnector[VendorJob]):
    """The same in plain functions, which run in threads."""

    name = "Own Id Plain"
    task_type_name = "own_id_plain"
    metadata_type = VendorJob

    def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: Any = None,
        *,
        api_key: str | None = None,
        **kwargs: Any,
    ) -> VendorJob:
        job = post(task_template, output_prefix, inputs, task_execution_metadata, api_key)
        return asyncio.run(job)

    def get(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> Resource:
        return asyncio.run(read(resource_meta, api_key))

    def delete(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> None:
        asyncio.run(cancel(resource_meta, api_key))


async def post(
    task_template: Any,
    output_prefix: str,
    inputs: Mapping[str, Any] | None,
    task_execution_metadata: Any,
    api_key: str | None,
) -> VendorJob:
    """Start a job under whatever id the vendor gives it."""
    custom = task_template.custom
    assert inputs is not None
    job = {
        "task": inputs["name"],
        "value": inputs["value"],
        "attempt": task_execution_metadata.task_execution_id.retry_attempt,
        "seconds": custom["seconds"],
        "outputs_uri": output_prefix if custom["writes_outputs"] else "",
    }
    async with vendor_faults():
        started = await call("POST", f"{custom['endpoint']}/jobs", job, token=api_key)
    return VendorJob(f"{custom['endpoint']}/jobs/{started['id']}")


async def read(job: VendorJob, api_key: str | None) -> Resource:
    """The job's state."""
    async with vendor_faults():
        state = await call("GET", job.url, token=api_key)
    return Resource(phase=PHASES[state["state"]], outputs=state.get("result"))


async def cancel(job: VendorJob, api_key: str | None) -> None:
    """End the job."""
    async with vendor_faults():
        await call("DELETE", job.url, token=api_key)


ConnectorRegistry.register(OwnIdConnector())
ConnectorRegistry.register(OwnIdPlainConnector())
