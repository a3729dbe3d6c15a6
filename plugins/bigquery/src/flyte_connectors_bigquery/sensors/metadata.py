"""What identifies a wait."""

from __future__ import annotations

from dataclasses import dataclass

from flyte_connectors_bigquery.jobs.verbs import BigQueryMetadata


@dataclass
class SensorMetadata(BigQueryMetadata):
    """Identifies a wait.

    Attributes:
        table: REST `TableReference` of the table waited for; None for a query's first row.
        first_created: When the first query was created by BigQuery's clock, likewise.
        min_rows: Rows that the table needs to have.
        started: When the waiting began by this service's clock, in seconds since the epoch.
        poll_seconds: Time between two queries.
        timeout_seconds: How long to wait.
    """

    table: dict[str, str] | None = None
    min_rows: int = 0
    started: float = 0.0
    first_created: float = 0.0
    poll_seconds: float = 0.0
    timeout_seconds: float = 0.0
