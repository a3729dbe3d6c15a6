"""The connector for queries: how one is started, and what it gives; the rest is in `jobs.verbs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors import hookimpl
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.jobs import request
from flyte_connectors_bigquery.jobs.states import phase_of
from flyte_connectors_bigquery.jobs.verbs import (
    BigQueryMetadata,
    JobConnector,
    OutputError,
    connect,
    new_job_id,
    with_defaults,
)
from flyte_connectors_bigquery.results import checks, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_bigquery.client import BigQuery


class BigQueryConnector(JobConnector):
    """Runs SQL as BigQuery query jobs."""

    name = "BigQuery Connector"
    task_type_name = "bigquery_query_job_task"
    kind = "query"
    metrics = ("bytes_processed", "bytes_billed", "slot_ms", "cache_hit", "rows")

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
        task_template = with_defaults(task_template, google_application_credentials)
        query = request.read_query(task_template, inputs, task_execution_metadata)
        kinds = outputs.declared(task_template)
        bigquery = connect(query.project, google_application_credentials, query.impersonate)
        job_id = idempotency_key or new_job_id()
        if query.max_bytes is not None and not bigquery.has_started(query, job_id):
            _check_size(bigquery, query, query.max_bytes)
        meta = self.start(bigquery, query, job_id, kinds)
        meta.check = query.check
        return meta

    @hookimpl
    def check_connection(self) -> list[str]:
        """Whether BigQuery answers the service's own credentials; see `flyte_connectors.hookspecs`."""
        from flyte_connectors_bigquery.access import checking

        return checking.check()

    def outputs_of(self, bigquery: BigQuery, job: Any, meta: BigQueryMetadata) -> dict[str, Any]:
        """The result as a table, as values, or both; see `results.outputs`."""
        if wrong := checks.failure(bigquery, job, meta.check):
            message = f"check failed: {wrong}"
            raise OutputError(message)
        kinds = meta.outputs
        if kinds is None:
            kinds = dict(outputs.OFFICIAL) if job.destination else {}
        return outputs.of_job(bigquery, job, kinds, secret=meta.reader_secret, impersonate=meta.impersonate)

    def facts_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:
        """Its cost, what it read and did; of a script, also those of its statements."""
        return {
            "statement_type": job.statement_type,
            "bytes_processed": job.total_bytes_processed,
            "bytes_billed": job.total_bytes_billed,
            "slot_ms": job.slot_millis,
            "cache_hit": job.cache_hit,
            "rows_affected": job.num_dml_affected_rows,
            outputs.TABLES_READ: outputs.tables_read(job) or None,
            "child_jobs": job.num_child_jobs or None,
            "statements": outputs.statements(bigquery, job) if job.num_child_jobs else None,
            "session_id": job.session_info.session_id if job.session_info else None,
        }

    def metrics_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:
        """Its cost, and the rows that it gave or changed."""
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


def _check_size(bigquery: BigQuery, query: request.Query, max_bytes: int) -> None:
    size = bigquery.estimate(query).total_bytes_processed or 0
    if size > max_bytes:
        message = (
            f"the query would read {size} bytes, which is more than {max_bytes}: read fewer "
            "columns or partitions, or raise max_bytes"
        )
        raise InvalidRequestError(message, field="custom.maxBytes")
