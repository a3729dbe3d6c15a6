"""A connector that shows its secret wherever it can."""

from dataclasses import dataclass

from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta
from flyte_connectors.authoring import log_page, metrics_response
from flyteidl2.core.execution_pb2 import TaskLog


@dataclass
class CanaryMeta(ResourceMeta):
    job_id: str


class CanaryConnector(AsyncConnector):
    name = "Canary"
    task_type_name = "canary"
    metadata_type = CanaryMeta

    async def create(self, task_template, inputs, *, idempotency_key, bird, **kwargs):
        return CanaryMeta(job_id=idempotency_key)

    async def get(self, resource_meta, *, bird, **kwargs):
        return Resource(
            phase=Phase.RUNNING,
            message=f"sings {bird}",
            log_links=[TaskLog(name=bird, uri=f"https://{bird}@example.com/{bird}")],
            custom_info={"song": bird, bird: "song", "progress": 0.4},
        )

    async def delete(self, resource_meta, **kwargs): ...

    async def get_logs(self, resource_meta, *, bird, token="", **kwargs):
        for message in log_page([f"it sang {bird}", "it was silent"] if not token else [], 2):
            yield message

    async def get_metrics(self, resource_meta, *, bird, **kwargs):
        return metrics_response({f"songs_{bird}": 1.0, "loudness": 2.0})


ConnectorRegistry.register(CanaryConnector)
