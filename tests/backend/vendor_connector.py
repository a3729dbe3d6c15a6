"""The vendor's connector, written for `flyte_connectors`: jobs are keyed by `idempotency_key`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
)
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
)

from .vendor_client import VendorError, call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

PHASES = {"running": Phase.RUNNING, "succeeded": Phase.SUCCEEDED, "cancelled": Phase.ABORTED}


@dataclass
class VendorJob(ResourceMeta):
    """The job's URL."""

    url: str


@asynccontextmanager
async def vendor_faults() -> AsyncIterator[None]:
    """The vendor's faults as this framework's errors."""
    try:
        yield
    except VendorError as error:
        if error.status == 400:
            raise InvalidRequestError(str(error)) from error
        if error.status == 404:
            raise JobNotFoundError(str(error)) from error
        if error.status == 429:
            raise RateLimitedError(str(error)) from error
        raise ServiceUnavailableError(str(error)) from error
    except OSError as error:
        raise ServiceUnavailableError(str(error)) from error


class VendorConnector(AsyncConnector[VendorJob]):
    """Runs a job at the vendor's."""

    name = "Vendor"
    task_type_name = "vendor_job"
    metadata_type = VendorJob

    async def create(  # noqa: PLR0913 - the contract's arguments
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: Any = None,
        *,
        idempotency_key: str = "",
        api_key: str | None = None,
        **kwargs: Any,
    ) -> VendorJob:
        custom = task_template.custom
        url = f"{custom['endpoint']}/jobs/{idempotency_key}"
        assert inputs is not None
        job = {
            "task": inputs["name"],
            "value": inputs["value"],
            "attempt": task_execution_metadata.task_execution_id.retry_attempt,
            "seconds": custom["seconds"],
            "outputs_uri": output_prefix if custom["writes_outputs"] else "",
        }
        async with vendor_faults():
            await call("PUT", url, job, token=api_key)
        return VendorJob(url)

    async def get(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> Resource:
        async with vendor_faults():
            job = await call("GET", resource_meta.url, token=api_key)
        return Resource(phase=PHASES[job["state"]], outputs=job.get("result"))

    async def delete(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> None:
        async with vendor_faults():
            await call("DELETE", resource_meta.url, token=api_key)


ConnectorRegistry.register(VendorConnector())
