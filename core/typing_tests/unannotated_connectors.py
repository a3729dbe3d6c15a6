"""Connectors of authors who annotate little or nothing, as in the tutorials of the official SDK."""
# mypy: allow-untyped-defs, allow-incomplete-defs

from dataclasses import dataclass
from typing import Any, Dict, Optional  # noqa: UP035  (as tutorials write it)

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta, SyncConnector
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
from flyteidl2.core.execution_pb2 import TaskExecution


@dataclass
class BatchJobMetadata(ResourceMeta):
    job_id: str


class BatchJobConnector(AsyncConnector):
    name = "Batch Job Connector"
    task_type_name = "batch_job"
    metadata_type = BatchJobMetadata

    async def create(
        self,
        task_template,
        output_prefix: str,
        inputs: Optional[Dict[str, Any]] = None,  # noqa: UP006, UP045
        **kwargs,
    ) -> BatchJobMetadata:
        return BatchJobMetadata(job_id=task_template.id.name)

    async def get(self, resource_meta: BatchJobMetadata, **kwargs) -> Resource:
        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"result": resource_meta.job_id})

    async def delete(self, resource_meta: BatchJobMetadata, **kwargs):
        print(resource_meta.job_id)

    async def get_logs(self, resource_meta: BatchJobMetadata, token: str = "", **kwargs):
        yield GetTaskLogsResponse()


class PlainConnector(AsyncConnector):
    def __init__(self, **kwargs):
        super().__init__(task_type_name="plain", metadata_type=BatchJobMetadata, **kwargs)

    def create(self, task_template, output_prefix, inputs, task_execution_metadata, **kwargs):
        return BatchJobMetadata(job_id="job-1")

    def get(self, resource_meta: ResourceMeta, **kwargs) -> Resource:
        return Resource(phase=Phase.RUNNING)

    def delete(self, resource_meta, **kwargs):
        pass


class QuickConnector(SyncConnector):
    name = "Quick"
    task_type_name = "quick"

    def do(self, task_template, inputs=None, **kwargs):
        return Resource(phase=TaskExecution.SUCCEEDED, outputs=inputs)
