"""The connector of sensors: tasks that succeed once a table, a partition or rows are there.

A table is looked at in the catalog, which costs nothing. Anything else is a query whose first row
decides, asked every `poll_seconds`; see `queries`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flyte_connectors.authoring import metrics_response
from flyte_connectors.connector import Phase, Resource
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import DataFrame

from flyte_connectors_bigquery.jobs import request
from flyte_connectors_bigquery.jobs.request import JobRequest
from flyte_connectors_bigquery.jobs.settings import job_configuration
from flyte_connectors_bigquery.jobs.verbs import (
    BigQueryMetadata,
    JobConnector,
    OutputError,
    connect,
    console_link,
    new_job_id,
    with_defaults,
)
from flyte_connectors_bigquery.results import outputs
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.sensors import queries
from flyte_connectors_bigquery.sensors.config import TABLE, Wait
from flyte_connectors_bigquery.sensors.metadata import SensorMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_bigquery.client import BigQuery


class BigQuerySensorConnector(JobConnector):
    """Waits for tables, partitions and rows."""

    name = "BigQuery Sensor Connector"
    task_type_name = "bigquery_sensor_task"
    metadata_type = SensorMetadata
    kind = "query"
    metrics = ("bytes_processed", "bytes_billed", "slot_ms")

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
    ) -> SensorMetadata:
        """Ask for the first time.

        Raises:
            InvalidRequestError: a field, an input, or the query itself is wrong.
            ConnectorError: anything else; see `vendor_errors`.
        """
        task_template = with_defaults(task_template, google_application_credentials)
        custom = request.custom_of(task_template)
        wait = Wait.read(custom)
        kinds = outputs.declared(task_template)
        if wait.table is not None:
            known = request.common("query", custom, job_configuration("query", custom))
            asked: JobRequest = JobRequest(**known)
        else:
            asked = request.read_query(task_template, inputs, task_execution_metadata)
            if asked.configuration["query"].get("destinationTable"):
                message = "a sensor keeps no rows: leave it out"
                raise InvalidRequestError(message, field="custom.destinationTable")
        bigquery = connect(asked.project, google_application_credentials, asked.impersonate)
        meta = SensorMetadata(
            job_id=idempotency_key or new_job_id(),
            project=asked.project,
            location=asked.location,
            outputs=kinds,
            impersonate=asked.impersonate,
            reader_secret=asked.reader_secret,
            started=time.time(),
            table={"projectId": asked.project, **wait.table} if wait.table else None,
            min_rows=wait.min_rows,
            poll_seconds=wait.poll_seconds,
            timeout_seconds=wait.timeout_seconds,
        )
        if meta.table is not None:
            bigquery.table_size(meta.table)  # wrong credentials are an error now, not at the end
            return meta
        job = bigquery.start(asked, meta.job_id)
        meta.location = job.location
        meta.first_created = job.created.timestamp() if job.created else 0.0
        return meta

    def get(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Resource:
        """Look whether it is there; fail once the time is up.

        Raises:
            ConnectorError: BigQuery does not answer; see `vendor_errors`.
        """
        assert isinstance(resource_meta, SensorMetadata)
        meta = resource_meta
        bigquery = connect(meta.project, google_application_credentials, meta.impersonate)
        resource = self._table(bigquery, meta) if meta.table else self._query(bigquery, meta)
        waited = time.time() - meta.started
        if resource.phase in {Phase.RUNNING, Phase.QUEUED} and waited > meta.timeout_seconds:
            resource.phase = Phase.FAILED
            resource.message = f"timed out after {meta.timeout_seconds:g} s, {resource.message}"
        return resource

    def delete(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> None:
        """Cancel the query that runs now; for a table nothing runs.

        Raises:
            JobNotFoundError: BigQuery does not know it, which counts as cancelled.
            ConnectorError: anything else; see `vendor_errors`.
        """
        assert isinstance(resource_meta, SensorMetadata)
        meta = resource_meta
        if meta.table is None:
            bigquery = connect(meta.project, google_application_credentials, meta.impersonate)
            last = queries.job_id(meta, queries.last(bigquery, meta))
            bigquery.cancel(meta.project, meta.location, last)

    def get_logs(
        self,
        resource_meta: BigQueryMetadata,
        token: str = "",
        lines: int = 0,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Iterator[GetTaskLogsResponse]:
        """The log of the first query; a wait for a table has none."""
        assert isinstance(resource_meta, SensorMetadata)
        if resource_meta.table is None:
            return super().get_logs(resource_meta, token, lines, google_application_credentials)
        return iter(())

    def get_metrics(
        self,
        resource_meta: BigQueryMetadata,
        queries: list[str] | None = None,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> GetTaskMetricsResponse:
        """What the first query cost; a wait for a table costs nothing."""
        assert isinstance(resource_meta, SensorMetadata)
        if resource_meta.table is None:
            return super().get_metrics(resource_meta, queries, google_application_credentials)
        return metrics_response(dict.fromkeys(self.metrics), queries or ())

    def facts_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:  # noqa: ARG002
        """What the last question cost."""
        return {
            "bytes_processed": job.total_bytes_processed,
            "bytes_billed": job.total_bytes_billed,
            "slot_ms": job.slot_millis,
        }

    def metrics_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:
        """The same."""
        return self.facts_of(bigquery, job)

    def _table(self, bigquery: BigQuery, meta: SensorMetadata) -> Resource:
        table = meta.table or {}
        project, dataset, name = (table[part] for part in TABLE)
        rows = bigquery.table_size(table)
        if rows is None or rows < meta.min_rows:
            lacks = "it does not exist" if rows is None else f"it has {rows} of {meta.min_rows} rows"
            return Resource(
                phase=Phase.RUNNING,
                message=f"waiting for table {project}.{dataset}.{name}: {lacks}",
            )
        uri = TableUri(*(project, dataset, name, meta.reader_secret, meta.impersonate, meta.project))
        found = {"results": DataFrame(uri=str(uri)), "rows": rows}
        return _there(meta, found)

    def _query(self, bigquery: BigQuery, meta: SensorMetadata) -> Resource:
        job, phase, said = queries.look(bigquery, meta)
        resource = Resource(phase=phase, message=said or None)
        if phase in {Phase.RUNNING, Phase.QUEUED}:
            resource.message = f"waiting: {said or 'the query is running'}"
        if phase == Phase.SUCCEEDED:
            try:
                resource = _there(meta, outputs.of_job(bigquery, job, meta.outputs or {}))
            except OutputError as error:
                resource = Resource(phase=Phase.FAILED, message=str(error))
            facts = self.facts_of(bigquery, job)
            resource.custom_info = {name: fact for name, fact in facts.items() if fact is not None}
        resource.log_links = [console_link(meta.project, job.location, str(job.job_id))]
        return resource


def _there(meta: SensorMetadata, values: Mapping[str, Any]) -> Resource:
    """Success, with the outputs that the task declares."""
    missing = [name for name in meta.outputs or {} if name not in values]
    if missing:
        message = f"outputs.{missing[0]}: this sensor gives {', '.join(values) or 'nothing'}"
        return Resource(phase=Phase.FAILED, message=message)
    given = {name: values[name] for name in meta.outputs or {}}
    return Resource(phase=Phase.SUCCEEDED, outputs=given)
