"""Each way to write an `AsyncConnector` passes mypy --strict and pyright; a wrong one does not."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorSecretsMixin,
    Phase,
    Resource,
    ResourceMeta,
    hookimpl,
)
from flyteidl2.connector.connector_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskMetricsResponse,
    TaskExecutionMetadata,
)
from flyteidl2.core.execution_pb2 import TaskExecution, TaskLog
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from typing_extensions import assert_type


@dataclasses.dataclass
class JobMeta(ResourceMeta):
    job_id: str


assert_type(JobMeta.decode(JobMeta("job-1").encode()), JobMeta)
assert_type(JobMeta("job-1").encode(), bytes)


class AsTheHooksShow(AsyncConnector[JobMeta]):
    """`async def`, with the arguments that are used."""

    name = "Example"
    task_type_name = "example"
    task_type_version = 1
    metadata_type = JobMeta

    async def create(
        self,
        task_template: TaskTemplate,
        inputs: Mapping[str, Any],
        *,
        idempotency_key: str,
        **kwargs: Any,
    ) -> JobMeta:
        return JobMeta(f"{idempotency_key}-{task_template.type}-{len(inputs)}")

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        links = [TaskLog(name="console", uri=resource_meta.job_id)]
        return Resource(phase=TaskExecution.RUNNING, log_links=links)

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None: ...

    async def get_logs(
        self, resource_meta: JobMeta, token: str = "", **kwargs: Any
    ) -> AsyncIterator[GetTaskLogsResponse | LogLine]:
        yield LogLine(message=resource_meta.job_id)
        yield GetTaskLogsResponse(body=GetTaskLogsResponseBody())

    async def get_metrics(
        self,
        resource_meta: JobMeta,
        queries: list[str],
        start_time: datetime | None,
        **kwargs: Any,
    ) -> GetTaskMetricsResponse:
        return GetTaskMetricsResponse()


class AllArguments(AsyncConnector[JobMeta]):
    """Plain functions and generators, with every argument and without `**kwargs`."""

    metadata_type = JobMeta

    def __init__(self, task_type: str) -> None:
        super().__init__(task_type_name=task_type, task_type_version=2, metadata_type=JobMeta)

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: dict[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        idempotency_key: str = "",
    ) -> JobMeta:
        return JobMeta(idempotency_key)

    def get(self, resource_meta: JobMeta, output_prefix: str) -> Resource:
        return Resource(phase=Phase.SUCCEEDED, outputs={"rows": 1}, custom_info={"bytes": 2})

    def delete(self, resource_meta: JobMeta) -> None: ...

    def get_logs(self, resource_meta: JobMeta, token: str, lines: int) -> Iterator[GetTaskLogsResponse]:
        yield GetTaskLogsResponse()


class WithSecrets(AsyncConnector[JobMeta], ConnectorSecretsMixin):
    """Secrets come as keyword arguments, required or not; logs as a page or from a generator."""

    task_type_name = "secret"
    metadata_type = JobMeta

    def __init__(self, secrets: dict[str, str]) -> None:
        super().__init__(secrets=secrets)

    async def create(self, task_template: TaskTemplate, *, api_key: str, **kwargs: Any) -> JobMeta:
        return JobMeta(api_key)

    async def get(self, resource_meta: JobMeta, api_key: str | None = None, **kwargs: Any) -> Resource:
        return Resource(phase=Phase.RUNNING, message=api_key)

    async def delete(self, resource_meta: JobMeta, *, api_key: str) -> None: ...

    async def get_logs(self, resource_meta: JobMeta, **kwargs: Any) -> AsyncGenerator[LogLine]:
        yield LogLine()


class OnePageOfLogs(AsyncConnector[JobMeta]):
    """A log may be one reply."""

    def get_logs(self, resource_meta: JobMeta, token: str = "") -> GetTaskLogsResponse:
        return GetTaskLogsResponse()


class Bare(AsyncConnector):
    """The class may be written without its meta, as in other SDKs."""

    metadata_type = JobMeta

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        return Resource(phase=TaskExecution.QUEUED)


class Faulty(AsyncConnector[JobMeta]):
    """What is wrong is found."""

    metadata_type = ResourceMeta  # type: ignore[assignment]

    async def create(self, task_template: TaskTemplate, **kwargs: Any) -> str:  # type: ignore[override]
        return "job-1"

    async def get(self, resource_meta: str, **kwargs: Any) -> Resource:  # type: ignore[override]
        return Resource(phase="RUNNING")  # type: ignore[arg-type]

    async def delete(self, meta: JobMeta, **kwargs: Any) -> None: ...  # type: ignore[override]

    def get_logs(self, resource_meta: JobMeta, **kwargs: Any) -> Iterator[str]:  # type: ignore[override]
        yield "line"


@hookimpl
async def get(resource_meta: JobMeta) -> Resource:
    """A function that is marked keeps its type."""
    return Resource(phase=Phase.RUNNING)


async def results(connector: AsTheHooksShow, template: TaskTemplate) -> None:
    """A connector's own tests see the types that it declares."""
    meta = await connector.create(template, {}, idempotency_key="key")
    assert_type(meta, JobMeta)
    assert_type(await connector.get(meta), Resource)
    assert_type(await get(meta), Resource)
    assert_type(AllArguments("other").get(meta, "prefix"), Resource)
    assert_type(connector.metadata_type, type[JobMeta])
    assert_type(connector.task_category.version, int)
