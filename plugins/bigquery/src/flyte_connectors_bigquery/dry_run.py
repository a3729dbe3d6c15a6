"""The connector for estimates: what a query would read and give, without running it.

Outputs, which a task declares as far as it wants them: `bytes_processed` (int), `schema` (dict, the
REST `TableSchema`), `referenced_tables` (list of `project.dataset.table`), `estimated_price`
(float, by `BigQueryConfig.price_per_tebibyte`) and `statement_type` (str).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase, Resource, SyncConnector
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.jobs import request
from flyte_connectors_bigquery.jobs.verbs import connect, with_defaults
from flyte_connectors_bigquery.results import outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from google.cloud.bigquery import QueryJob

TEBIBYTE = 2**40


class BigQueryDryRunConnector(SyncConnector):
    """Estimates queries."""

    name = "BigQuery Dry Run Connector"
    task_type_name = "bigquery_dry_run_task"

    def do(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",  # noqa: ARG002
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Resource:
        """Estimate the query.

        Raises:
            InvalidRequestError: a field, an input, or the query itself is wrong; or the output
                `estimated_price` is declared and no rate is configured.
            ConnectorError: anything else; see `vendor_errors`.
        """
        task_template = with_defaults(task_template, google_application_credentials)
        query = request.read_query(task_template, inputs, task_execution_metadata, dry_run=True)
        wanted = [entry.key for entry in task_template.interface.outputs.variables]
        if "estimated_price" in wanted and query.price_per_tebibyte is None:
            message = "not set: the output estimated_price needs BigQueryConfig.price_per_tebibyte"
            raise InvalidRequestError(message, field="custom.pricePerTebibyte")
        bigquery = connect(query.project, google_application_credentials, query.impersonate)
        estimate = _estimate(bigquery.estimate(query), query.price_per_tebibyte)
        return Resource(
            phase=Phase.SUCCEEDED,
            outputs={name: estimate[name] for name in wanted if name in estimate},
            custom_info=estimate,
        )


def _estimate(job: QueryJob, price_per_tebibyte: float | None) -> dict[str, Any]:
    size = job.total_bytes_processed or 0
    return {
        "bytes_processed": size,
        "schema": {"fields": [field.to_api_repr() for field in job.schema or ()]},
        outputs.TABLES_READ: outputs.tables_read(job),
        "estimated_price": size / TEBIBYTE * (price_per_tebibyte or 0.0),
        "statement_type": job.statement_type or "",
    }
