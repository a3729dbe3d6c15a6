"""The connectors for load, extract and copy jobs; their shared verbs are in `jobs.verbs`.

Outputs, which a task declares as far as it wants them:

    load      results (the table), rows, bytes, files, bad_records
    extract   uris (the files as they were named), files (how many were written), bytes
    copy      results (the table), rows, bytes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.io import DataFrame

from flyte_connectors_bigquery.jobs.verbs import (
    BigQueryMetadata,
    JobConnector,
    OutputError,
    connect,
    with_defaults,
)
from flyte_connectors_bigquery.results import outputs
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.transfers.request import read_transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_bigquery.client import AnyJob, BigQuery


class _TransferConnector(JobConnector):
    """What all three share."""

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
        """Start the job `idempotency_key`, or find it started.

        Raises:
            InvalidRequestError: a field or an input is wrong.
            ConnectorError: anything else; see `vendor_errors`.
        """
        task_template = with_defaults(task_template, google_application_credentials)
        request = read_transfer(self.kind, task_template, inputs, task_execution_metadata)
        kinds = outputs.declared(task_template)
        bigquery = connect(request.project, google_application_credentials, request.impersonate)
        return self.start(bigquery, request, idempotency_key, kinds)

    def outputs_of(self, bigquery: BigQuery, job: Any, meta: BigQueryMetadata) -> dict[str, Any]:
        """The table or the files, and the numbers of `facts_of`."""
        values = {name: fact for name, fact in self.facts_of(bigquery, job).items() if fact is not None}
        given: dict[str, Any] = {}
        for name, kind in (meta.outputs or {}).items():
            if kind == outputs.DATAFRAME and self.kind != "extract":
                table = job.destination
                given[name] = DataFrame(
                    uri=str(
                        TableUri(
                            project=table.project,
                            dataset=table.dataset_id,
                            table=table.table_id,
                            secret=meta.reader_secret,
                            impersonate=meta.impersonate,
                            job_project=job.project,
                        )
                    )
                )
            elif name in values:
                given[name] = values[name]
            else:
                known = ", ".join(values) + ("" if self.kind == "extract" else ", results")
                message = f"outputs.{name}: a {self.kind} job gives {known}"
                raise OutputError(message)
        return given

    def metrics_of(self, bigquery: BigQuery, job: AnyJob) -> dict[str, Any]:
        """Those of the facts that are numbers."""
        facts = self.facts_of(bigquery, job)
        return {name: facts.get(name) for name in self.metrics}


class BigQueryLoadConnector(_TransferConnector):
    """Loads files into tables."""

    name = "BigQuery Load Connector"
    task_type_name = "bigquery_load_task"
    kind = "load"
    metrics = ("rows", "bytes", "files", "bad_records")

    def facts_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:  # noqa: ARG002
        """What was read and written."""
        statistics = _statistics(job)
        return {
            "rows": _integer(statistics.get("outputRows")),
            "bytes": _integer(statistics.get("outputBytes")),
            "files": _integer(statistics.get("inputFiles")),
            "bad_records": _integer(statistics.get("badRecords")),
        }


class BigQueryExtractConnector(_TransferConnector):
    """Writes tables to files."""

    name = "BigQuery Extract Connector"
    task_type_name = "bigquery_extract_task"
    kind = "extract"
    metrics = ("files", "bytes")

    def facts_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:  # noqa: ARG002
        """Which files were written, and how much was read for them."""
        counts = job.destination_uri_file_counts
        return {
            "uris": list(job.destination_uris),
            "files": None if counts is None else sum(map(int, counts)),
            "bytes": _integer(_statistics(job).get("inputBytes")),
        }


class BigQueryCopyConnector(_TransferConnector):
    """Copies tables."""

    name = "BigQuery Copy Connector"
    task_type_name = "bigquery_copy_task"
    kind = "copy"
    metrics = ("rows", "bytes")

    def facts_of(self, bigquery: BigQuery, job: Any) -> dict[str, Any]:  # noqa: ARG002
        """What was copied."""
        statistics = _statistics(job)
        return {
            "rows": _integer(statistics.get("copiedRows")),
            "bytes": _integer(statistics.get("copiedLogicalBytes")),
        }


def _statistics(job: Any) -> dict[str, Any]:
    """Of the job's kind; the vendor's classes do not show all of them."""
    statistics: dict[str, Any] = job._job_statistics()  # noqa: SLF001
    return statistics


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
