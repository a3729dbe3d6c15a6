"""The vendor's connector, written for the official SDK in the way its shipped connectors are.

`create` posts a job and keeps the id it gets, and every refusal of the vendor raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte.connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
from flyteidl2.core.execution_pb2 import TaskExecution
from google.protobuf import json_format

from .vendor_client import call

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

PHASES = {
    "running": TaskExecution.RUNNING,
    "succeeded": TaskExecution.SUCCEEDED,
    "cancelled": TaskExecution.ABORTED,
}


@dataclass
class VendorJob(ResourceMeta):
    """The job's URL."""

    url: str


class VendorConnector(AsyncConnector):
    """Runs a job at the vendor's."""

    name = "Vendor"
    task_type_name = "vendor_job"
    metadata_type = VendorJob

    async def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: dict[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        api_key: str | None = None,
        **kwargs: Any,
    ) -> VendorJob:
        custom = json_format.MessageToDict(task_template.custom)
        assert inputs is not None
        assert task_execution_metadata is not None
        job = {
            "task": inputs["name"],
            "value": inputs["value"],
            "attempt": task_execution_metadata.task_execution_id.retry_attempt,
            "seconds": custom["seconds"],
            "outputs_uri": output_prefix if custom["writes_outputs"] else "",
        }
        started = await call("POST", f"{custom['endpoint']}/jobs", job, token=api_key)
        return VendorJob(f"{custom['endpoint']}/jobs/{started['id']}")

    async def get(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> Resource:
        job = await call("GET", resource_meta.url, token=api_key)
        return Resource(phase=PHASES[job["state"]], outputs=job.get("result"))

    async def delete(self, resource_meta: VendorJob, api_key: str | None = None, **kwargs: Any) -> None:
        await call("DELETE", resource_meta.url, token=api_key)


ConnectorRegistry.register(VendorConnector())
