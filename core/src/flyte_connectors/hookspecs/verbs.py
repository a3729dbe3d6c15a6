"""The verbs that a connector may implement."""

# The functions here are specifications, without bodies:
# mypy: disable-error-code="empty-body"
# pyright: reportReturnType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.hookspecs.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime, timedelta

    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors.connector import Resource, ResourceMeta

VERBS = ("create", "get", "get_many", "delete", "get_logs", "get_metrics", "do")
"""Names of a connector's hooks, in the order of a job's life."""


@hookspec(firstresult=True)
async def create(
    task_template: TaskTemplate,
    output_prefix: str,
    inputs: dict[str, Any],
    task_execution_metadata: TaskExecutionMetadata,
    idempotency_key: str,
) -> ResourceMeta:
    """Start the external job and return what identifies it.

    Called when: a task of the connector's type starts. A connector that takes `idempotency_key` is called
    again with the same key, on any replica, whenever the caller does not know the outcome (lost reply,
    transient error, crashed caller). One that does not is called once for each attempt of a task,
    and its caller waits for the reply. The attribute `repeatable_create` overrides that.
    Must: give the same job for the same `idempotency_key` (`[a-z0-9-]`, at most 63 characters;
    usable as a job name), if it takes it. The caller's deadline does not cancel it.
    Must not: put secrets in the meta (Flyte stores and logs it), or start anything when the request is
    invalid.
    Raise: `InvalidRequestError` for an invalid field, `AuthenticationError`, `PermissionDeniedError`,
    `RateLimitedError` and `ServiceUnavailableError` for what the external system says.

    Example:
        async def create(self, task_template, inputs, *, idempotency_key, **kwargs):
            endpoint = task_template.custom["endpoint"]
            await self.client.put(f"{endpoint}/{idempotency_key}", json=inputs)
            return JobMeta(job_id=idempotency_key, endpoint=endpoint)
    """


@hookspec(firstresult=True)
async def get(resource_meta: ResourceMeta, output_prefix: str) -> Resource:
    """Report the state of the job.

    Called when: the caller polls, about every 30 seconds, on any replica.
    Must: have no side effects, map every state the service can answer, keep terminal phases stable,
    and give outputs by name when the phase is SUCCEEDED. Where the service knows how far the job is,
    `custom_info["progress"]` is that, from 0 to 1; `run` draws it as a bar.
    Must not: raise for a state it does not know (answer RUNNING) or answer UNDEFINED.
    Raise: `ServiceUnavailableError` or `RateLimitedError` for transient errors, `JobNotFoundError`
    when the job is lost.

    Example:
        async def get(self, resource_meta, **kwargs):
            job = await self.client.get(f"{resource_meta.endpoint}/{resource_meta.job_id}")
            return Resource(phase=PHASES.get(job["state"], Phase.RUNNING), outputs=job["outputs"])
    """


@hookspec(firstresult=True)
async def get_many(
    resource_metas: Sequence[ResourceMeta], output_prefixes: Sequence[str]
) -> Sequence[Resource | BaseException]:
    """Report the states of many jobs with one question to the external system; optional.

    Called when: it is implemented, in place of `get`, with the jobs that are polled with the same secrets and
    configs within 25 milliseconds. With the attribute `min_poll_interval`, in seconds, an answer is kept for so
    long, and the jobs that were polled in the last half hour are polled together.
    Must: return a resource, or an exception, for each job, in the order of `resource_metas`; the same as `get`
    would return or raise. One job that is unknown or invalid must not spoil the others.
    Must not: have side effects; take secrets from anything but its arguments.
    Raise: only what concerns all jobs, such as `ServiceUnavailableError` or `AuthenticationError`.

    Example:
        async def get_many(self, resource_metas, **kwargs):
            found = await self.client.list([meta.job_id for meta in resource_metas])
            return [found.get(meta.job_id) or JobNotFoundError(meta.job_id) for meta in resource_metas]
    """


@hookspec(firstresult=True)
async def delete(resource_meta: ResourceMeta) -> None:
    """Cancel the job, or clean up after it.

    Called when: the task is aborted, and also for jobs that have already failed.
    Must: succeed for a job that is finished, cancelled or gone, however often it is called.
    `JobNotFoundError` counts as success.
    Must not: return before the external system has accepted the cancellation.
    Raise: `ServiceUnavailableError` for transient errors; the caller then retries.

    Example:
        async def delete(self, resource_meta, **kwargs):
            await self.client.delete(f"{resource_meta.endpoint}/{resource_meta.job_id}")
    """


@hookspec(firstresult=True)
def get_logs(resource_meta: ResourceMeta, token: str, lines: int) -> AsyncIterator[GetTaskLogsResponse]:
    """Yield one page of log lines, and a token for the next page if there is one.

    Called when: a user reads the logs, while the job runs or later.
    Must: yield `GetTaskLogsResponse` bodies (or bare `LogLine`s), then a header with the token of
    the next page while more may come. Tokens stay valid as the log grows. `token` is empty for the
    first page; `lines` is the wanted page size, 0 for the connector's own choice.
    Must not: raise for a job without logs; yield nothing.
    Raise: `InvalidRequestError` for a token it never gave out.

    Example:
        async def get_logs(self, resource_meta, token="", **kwargs):
            page = await self.client.get(f"/{resource_meta.job_id}/logs?from={token or 0}")
            for text in page["lines"]:
                yield LogLine(message=text)
            if page["next"]:
                yield GetTaskLogsResponse(header={"token": page["next"]})
    """


@hookspec(firstresult=True)
async def get_metrics(
    resource_meta: ResourceMeta,
    queries: list[str],
    start_time: datetime | None,
    end_time: datetime | None,
    step: timedelta | None,
) -> GetTaskMetricsResponse:
    """Return metrics of the job, such as CPU seconds or bytes billed.

    Called when: a user reads the job's metrics.
    Must: answer for running and finished jobs; an empty `queries` asks for all metrics. Each result's
    `data` has the form of a Prometheus range query's result, which
    `flyte_connectors.authoring.metrics_response` writes.
    Must not: change the job.
    Raise: `InvalidRequestError` for a query it does not know.

    Example:
        async def get_metrics(self, resource_meta, queries, **kwargs):
            usage = await self.client.get(f"/{resource_meta.job_id}/usage")
            return metrics_response({"cpu_seconds": usage["cpu"]}, queries)
    """


@hookspec(firstresult=True)
async def do(
    task_template: TaskTemplate,
    output_prefix: str,
    inputs: dict[str, Any],
    task_execution_metadata: TaskExecutionMetadata,
    idempotency_key: str,
) -> Resource:
    """Answer at once, for work that takes seconds: no job, no polling.

    Called when: a task of the connector's type runs.
    Must: return a resource in a terminal phase, and be safe to repeat.
    Must not: take longer than the caller's deadline.
    Raise: as `create`.

    Example:
        async def do(self, task_template, inputs, **kwargs):
            return Resource(phase=Phase.SUCCEEDED, outputs={"rows": await self.count(inputs)})
    """
