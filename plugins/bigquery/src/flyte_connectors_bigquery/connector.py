"""The connector for query jobs: create, get, delete, logs, metrics, in the order of a job's life.

Nothing of Google's is imported before the first call; the verbs are plain functions, which the core
runs in threads, because the vendor's client blocks.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from flyte_connectors import hookimpl
from flyte_connectors.authoring import metrics_response
from flyte_connectors.connector import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
from flyteidl2.core.execution_pb2 import TaskLog

from flyte_connectors_bigquery.jobs import fields, log, progress, request
from flyte_connectors_bigquery.jobs.states import message_of, phase_of
from flyte_connectors_bigquery.results import outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse, TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from google.cloud.bigquery import QueryJob

    from flyte_connectors_bigquery.client import BigQuery

METRICS = ("bytes_processed", "bytes_billed", "slot_ms", "cache_hit", "rows")


@dataclass
class BigQueryMetadata(ResourceMeta):
    """Identifies a query job.

    Attributes:
        job_id: Its id, unique in project and location.
        project: The project that runs it.
        location: Its region.
        outputs: Kind of each declared output, see `outputs`; None in the metas of the official
            connector, whose only output is `results`.
        impersonate: Address of the service account that it was started as.
        reader_secret: Name of the secret that it was started with.
    """

    job_id: str
    project: str
    location: str | None = None
    outputs: dict[str, str] | None = None
    impersonate: str | None = None
    reader_secret: str | None = None


class BigQueryConnector(AsyncConnector[BigQueryMetadata]):
    """Runs SQL as BigQuery query jobs."""

    name = "BigQuery Connector"
    task_type_name = "bigquery_query_job_task"
    metadata_type = BigQueryMetadata

    @hookimpl
    def warm_up(self) -> None:
        """Import the vendor's client, which takes as long as dozens of calls."""
        from flyte_connectors_bigquery.access import connections  # noqa: F401

    def create(  # noqa: PLR0913  (the contract's arguments)
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",  # noqa: ARG002
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str | None = None,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> BigQueryMetadata:
        """Start the query as the job `idempotency_key`, or find it started.

        Raises:
            InvalidRequestError: a field, an input, or the query itself is wrong; or it would read
                more than `max_bytes`.
            ConnectorError: anything else; see `vendor_errors`.
        """
        query = request.read_query(task_template, inputs, task_execution_metadata)
        kinds = outputs.declared(task_template)
        bigquery = connect(query.project, google_application_credentials, query.impersonate)
        job_id = idempotency_key or f"flyte-{uuid.uuid4().hex}"  # the official service sends none
        if query.max_bytes is not None and not bigquery.has_started(query, job_id):
            _check_size(bigquery, query, query.max_bytes)
        job = cast("QueryJob", bigquery.start(query, job_id))
        return BigQueryMetadata(
            job_id=job_id,
            project=query.project,
            location=job.location,
            outputs=kinds,
            impersonate=query.impersonate,
            reader_secret=query.reader_secret,
        )

    def get(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Resource:
        """Report the job's state, and its outputs once it has succeeded.

        Raises:
            JobNotFoundError: BigQuery does not know the job.
            ConnectorError: anything else; see `vendor_errors`.
        """
        bigquery = _open(resource_meta, google_application_credentials)
        job = _job(bigquery, resource_meta)
        phase = phase_of(job)
        links = [_console(resource_meta, job.location)]
        resource = Resource(phase=phase, message=message_of(job), log_links=links)
        resource.custom_info = _facts(job) if job.state == "DONE" else progress.of_job(job)
        if phase == Phase.SUCCEEDED:
            try:
                resource.outputs = outputs.of_job(
                    bigquery,
                    job,
                    _kinds(resource_meta, job),
                    secret=resource_meta.reader_secret,
                    impersonate=resource_meta.impersonate,
                )
            except outputs.OutputError as error:
                resource.phase, resource.message = Phase.FAILED, str(error)
        return resource

    def delete(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> None:
        """Cancel the job; one that has ended stays as it is.

        Raises:
            JobNotFoundError: BigQuery does not know the job, which counts as cancelled.
            ConnectorError: anything else; see `vendor_errors`.
        """
        bigquery = _open(resource_meta, google_application_credentials)
        bigquery.cancel(resource_meta.project, resource_meta.location, resource_meta.job_id)

    def get_logs(
        self,
        resource_meta: BigQueryMetadata,
        token: str = "",
        lines: int = 0,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Iterator[GetTaskLogsResponse]:
        """What the job has gone through since `token`, and the token to go on from; see `log`.

        Raises:
            InvalidRequestError: `token` is not one of this log.
            ConnectorError: anything else; see `vendor_errors`.
        """
        given = log.read_token(token)
        bigquery = _open(resource_meta, google_application_credentials)
        job = _job(bigquery, resource_meta, fields.LOG)
        statements = bigquery.children(job) if job.num_child_jobs else []
        messages, next_token = log.page(job, statements, given, lines)
        responses = [GetTaskLogsResponse(body={"lines": messages})]
        if next_token:
            responses.append(GetTaskLogsResponse(header={"token": next_token}))
        return iter(responses)

    def get_metrics(
        self,
        resource_meta: BigQueryMetadata,
        queries: list[str] | None = None,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> GetTaskMetricsResponse:
        """Report those of `METRICS` that BigQuery knows by now.

        Raises:
            InvalidRequestError: `queries` names another metric.
            ConnectorError: anything else; see `vendor_errors`.
        """
        metrics_response(
            dict.fromkeys(METRICS), queries or ()
        )  # refuses others before BigQuery is asked
        bigquery = _open(resource_meta, google_application_credentials)
        known = _metrics(bigquery, _job(bigquery, resource_meta))
        return metrics_response(known, queries or (), labels={"job": resource_meta.job_id})


def connect(project: str, service_account: str | None, impersonate: str | None) -> BigQuery:
    """BigQuery as these credentials see it; imports the vendor's client when first called."""
    from flyte_connectors_bigquery.access import connections
    from flyte_connectors_bigquery.access.credentials import Identity

    return connections.connect(Identity(project, service_account, impersonate))


def _open(meta: BigQueryMetadata, service_account: str | None) -> BigQuery:
    return connect(meta.project, service_account, meta.impersonate)


def _job(bigquery: BigQuery, meta: BigQueryMetadata, mask: str = fields.STATE) -> QueryJob:
    job = bigquery.job(meta.project, meta.location, meta.job_id, mask)
    if job.job_type != "query":
        message = f"BigQuery job {meta.project}:{meta.location}.{meta.job_id} is not a query"
        raise ConflictError(message)
    return cast("QueryJob", job)


def _check_size(bigquery: BigQuery, query: request.Query, max_bytes: int) -> None:
    size = bigquery.estimate(query).total_bytes_processed or 0
    if size > max_bytes:
        message = (
            f"the query would read {size} bytes, which is more than {max_bytes}: read fewer "
            "columns or partitions, or raise max_bytes"
        )
        raise InvalidRequestError(message, field="custom.maxBytes")


def _kinds(meta: BigQueryMetadata, job: QueryJob) -> Mapping[str, str]:
    if meta.outputs is not None:
        return meta.outputs
    return outputs.OFFICIAL if job.destination else {}


def _console(meta: BigQueryMetadata, location: str | None) -> TaskLog:
    project, job_id = quote(meta.project, safe=""), quote(meta.job_id, safe="")
    return TaskLog(
        name="BigQuery Console",
        uri=(
            f"https://console.cloud.google.com/bigquery?project={project}"
            f"&j=bq:{location}:{job_id}&page=queryresults"
        ),
        ready=True,
        link_type=TaskLog.DASHBOARD,
    )


def _facts(job: QueryJob) -> dict[str, Any]:
    """Details about a finished job besides its outputs."""
    facts = {
        "statement_type": job.statement_type,
        "bytes_processed": job.total_bytes_processed,
        "bytes_billed": job.total_bytes_billed,
        "slot_ms": job.slot_millis,
        "cache_hit": job.cache_hit,
        "rows_affected": job.num_dml_affected_rows,
        "child_jobs": job.num_child_jobs or None,
        "error_reason": job.error_result.get("reason") if job.error_result else None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _metrics(bigquery: BigQuery, job: QueryJob) -> dict[str, Any]:
    rows = job.num_dml_affected_rows
    if rows is None and phase_of(job) == Phase.SUCCEEDED and job.destination:
        rows = bigquery.row_count(job)
    return {
        "bytes_processed": job.total_bytes_processed,
        "bytes_billed": job.total_bytes_billed,
        "slot_ms": job.slot_millis,
        "cache_hit": job.cache_hit,
        "rows": rows,
    }
