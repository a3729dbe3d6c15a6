"""The configuration of a query, and its form in the task's `custom`.

The keys of `custom` are those of the official task, so that either connector reads either task:
`ProjectID`, `Location` and `Domain`, and beside them the members of the REST resources
`JobConfigurationQuery` (https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobconfigurationquery)
and `JobConfiguration`, see `jobs.settings`. `maxBytes`, `impersonateServiceAccount`, `readerSecret` and
`pricePerTebibyte` are this package's own.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.cloud import bigquery

Custom = dict[str, Any]
"""JSON-like content of a task's `custom`."""


@dataclass(frozen=True)
class TimePartitioning:
    """Partitions of the destination table by time.

    Attributes:
        field: The DATE, DATETIME or TIMESTAMP column; None for the time of ingestion.
        type: The length of a partition.
        expiration: How long a partition is kept; None for ever.
    """

    field: str | None = None
    type: Literal["HOUR", "DAY", "MONTH", "YEAR"] = "DAY"
    expiration: datetime.timedelta | None = None


@dataclass(frozen=True)
class RangePartitioning:
    """Partitions of the destination table by ranges of an INT64 column.

    Attributes:
        field: The column.
        start: First value, inclusive.
        end: Last value, exclusive.
        interval: Width of a partition.
    """

    field: str
    start: int
    end: int
    interval: int


@dataclass(frozen=True)
class BigQueryConfig:
    """Where and how a query runs.

    Attributes:
        ProjectID: The project that the job runs in and is billed to; None for that of the credentials.
        Location: Region of the data, such as `US` or `europe-west1`; None for the connector's default, or
            to let BigQuery find out.
        QueryJobConfig: The vendor's own configuration object, for what has no field here. The
            fields below win over it.
        destination: Table for the result, `project.dataset.table` or `dataset.table`; None for an
            anonymous one, which BigQuery keeps for about 24 hours.
        create_disposition: Whether the destination may be created.
        write_disposition: What happens to rows that are there already.
        time_partitioning: Partitions of a destination that is created.
        range_partitioning: The same, by number.
        clustering_fields: Up to four columns to cluster a destination by.
        priority: `BATCH` waits for idle slots.
        maximum_bytes_billed: BigQuery fails the job if it would bill more bytes.
        max_bytes: The connector refuses the query, before it runs, if a dry run says it would read
            more bytes.
        job_timeout: BigQuery stops the job after this time.
        reservation: The reservation that the job uses,
            `projects/p/locations/l/reservations/r`; `none` for on-demand slots.
        max_slots: Most slots that the job uses at a time.
        create_session: Whether the query opens a session, whose id is the output `session_id`.
        default_dataset: Dataset of unqualified tables, `project.dataset` or `dataset`.
        labels: Labels of the job for cost reports; the run's names are added to them.
        use_query_cache: Whether a cached result will do; None for BigQuery's default, yes.
        parameter_types: BigQuery types of inputs by name, as in SQL, where the Python type does not
            say enough: `{"when": "DATETIME", "ids": "ARRAY<BIGNUMERIC>"}`.
        parameter_mode: `POSITIONAL` if the statement has a `?` for each input, in the order of the
            task's `inputs`, instead of their names.
        impersonate_service_account: Address of the service account to act as. Several, separated by
            commas, are a chain: each acts as the next.
        price_per_tebibyte: What reading 2**40 bytes costs, for the estimate of a dry run; in any currency.
    """

    ProjectID: str | None = None
    Location: str | None = None
    QueryJobConfig: bigquery.QueryJobConfig | None = None
    destination: str | None = None
    create_disposition: Literal["CREATE_IF_NEEDED", "CREATE_NEVER"] | None = None
    write_disposition: Literal["WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE"] | None = None
    time_partitioning: TimePartitioning | None = None
    range_partitioning: RangePartitioning | None = None
    clustering_fields: Sequence[str] = ()
    priority: Literal["INTERACTIVE", "BATCH"] | None = None
    maximum_bytes_billed: int | None = None
    max_bytes: int | None = None
    job_timeout: datetime.timedelta | None = None
    reservation: str | None = None
    max_slots: int | None = None
    create_session: bool = False
    default_dataset: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    use_query_cache: bool | None = None
    parameter_types: Mapping[str, str] = field(default_factory=dict)
    parameter_mode: Literal["NAMED", "POSITIONAL"] | None = None
    impersonate_service_account: str | None = None
    price_per_tebibyte: float | None = None

    def to_custom(self, domain: str | None = None) -> Custom:
        """This configuration as `custom`, without what is not set.

        Raises:
            ValueError: a table or dataset is not written as the fields' descriptions say.
        """
        settings: dict[str, Any] = {
            "ProjectID": self.ProjectID,
            "Location": self.Location,
            "Domain": domain,
            **self._of_vendor(),
        }
        settings.update((key, value) for key, value in self._own().items() if value)
        if self.use_query_cache is not None:
            settings["useQueryCache"] = self.use_query_cache
        return {key: value for key, value in settings.items() if value is not None}

    def _of_vendor(self) -> Custom:
        if self.QueryJobConfig is None:
            return {}
        resource: Custom = self.QueryJobConfig.to_api_repr()
        return {**resource.pop("query", {}), **resource}

    def _own(self) -> Custom:
        return {
            "destinationTable": self.destination and table_reference(self.destination, self.ProjectID),
            "createDisposition": self.create_disposition,
            "writeDisposition": self.write_disposition,
            **partitioning(self.time_partitioning, self.range_partitioning),
            "clustering": self.clustering_fields and {"fields": list(self.clustering_fields)},
            "priority": self.priority,
            # 64-bit integers are text in REST: JSON numbers would lose digits on the way.
            "maximumBytesBilled": _int64(self.maximum_bytes_billed),
            "maxBytes": _int64(self.max_bytes),
            "jobTimeoutMs": self.job_timeout and milliseconds(self.job_timeout),
            "defaultDataset": self.default_dataset and _dataset(self.default_dataset, self.ProjectID),
            "createSession": self.create_session,
            "reservation": self.reservation,
            "maxSlots": _int64(self.max_slots),
            "labels": dict(self.labels),
            "parameterMode": self.parameter_mode,
            "impersonateServiceAccount": self.impersonate_service_account,
            "pricePerTebibyte": self.price_per_tebibyte,
        }


def table_reference(name: str, project: str | None) -> Custom:
    """The REST `TableReference` of `project.dataset.table` or `dataset.table`, without an unknown project.

    Raises:
        ValueError: `name` is neither.
    """
    parts = name.rsplit(".", 2)
    if len(parts) == 1 or not all(parts):
        message = f"{name!r} is not a table: write 'project.dataset.table'"
        raise ValueError(message)
    *head, dataset, table = parts
    return {**_project(head, project), "datasetId": dataset, "tableId": table}


def _dataset(name: str, project: str | None) -> Custom:
    parts = name.rsplit(".", 1)
    if not all(parts):
        message = f"default_dataset {name!r} is not a dataset: write 'project.dataset'"
        raise ValueError(message)
    *head, dataset = parts
    return {**_project(head, project), "datasetId": dataset}


def _project(written: Sequence[str], default: str | None) -> Custom:
    project = written[0] if written else default
    return {"projectId": project} if project else {}


def partitioning(by_time: TimePartitioning | None, by_range: RangePartitioning | None) -> dict[str, Any]:
    """The partitions of a destination, as members of the REST configuration."""
    return {
        "timePartitioning": by_time and _by_time(by_time),
        "rangePartitioning": by_range and _by_range(by_range),
    }


def _by_time(partitioning: TimePartitioning) -> Custom:
    by_time: Custom = {"type": partitioning.type}
    if partitioning.field:
        by_time["field"] = partitioning.field
    if partitioning.expiration:
        by_time["expirationMs"] = milliseconds(partitioning.expiration)
    return by_time


def _by_range(partitioning: RangePartitioning) -> Custom:
    return {
        "field": partitioning.field,
        "range": {
            "start": str(partitioning.start),
            "end": str(partitioning.end),
            "interval": str(partitioning.interval),
        },
    }


def milliseconds(duration: datetime.timedelta) -> str:
    """`duration` as REST writes it."""
    return str(duration // datetime.timedelta(milliseconds=1))


def _int64(number: int | None) -> str | None:
    return None if number is None else str(number)
