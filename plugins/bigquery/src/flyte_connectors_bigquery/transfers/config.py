"""How data is moved: what the author of a load, extract or copy task sets.

In the task's `custom` lie the members of the REST resources `JobConfigurationLoad`,
`JobConfigurationExtract` and `JobConfigurationTableCopy`, as those of a query do; see `config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flyte_connectors_bigquery.config import (
    RangePartitioning,
    TimePartitioning,
    milliseconds,
    partitioning,
    table_reference,
)

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from google.cloud import bigquery

    from flyte_connectors_bigquery.config import Custom

_UNSET: tuple[Any, ...] = (None, "", [], {}, ())

Compression = Literal["NONE", "GZIP", "SNAPPY", "DEFLATE", "ZSTD"]


@dataclass(frozen=True, kw_only=True)
class _TransferConfig:
    """What all three share.

    Attributes:
        ProjectID: The project that the job runs in; None for that of the credentials.
        Location: Region of the data; None for the connector's default, or to let BigQuery find out.
        job_timeout: BigQuery stops the job after this time.
        reservation: The reservation that the job uses.
        labels: Labels of the job for cost reports; the run's names are added to them.
        impersonate_service_account: As in `BigQueryConfig`.
    """

    _KIND: ClassVar[str]

    ProjectID: str | None = None
    Location: str | None = None
    job_timeout: datetime.timedelta | None = None
    reservation: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    impersonate_service_account: str | None = None

    def to_custom(self, domain: str | None = None) -> Custom:
        """This configuration as `custom`, without what is not set.

        Raises:
            ValueError: a table is not written as the fields' descriptions say.
        """
        settings: Custom = {
            "ProjectID": self.ProjectID,
            "Location": self.Location,
            "Domain": domain,
            **self._of_vendor(),
        }
        common = {
            "jobTimeoutMs": self.job_timeout and milliseconds(self.job_timeout),
            "reservation": self.reservation,
            "labels": dict(self.labels),
            "impersonateServiceAccount": self.impersonate_service_account,
        }
        own = {**common, **self._own()}
        settings.update((key, value) for key, value in own.items() if value not in _UNSET)
        return {key: value for key, value in settings.items() if value is not None}

    def _vendor(self) -> Any:
        raise NotImplementedError

    def _own(self) -> Custom:
        raise NotImplementedError

    def _of_vendor(self) -> Custom:
        vendor = self._vendor()
        if vendor is None:
            return {}
        resource: Custom = vendor.to_api_repr()
        return {**resource.pop(self._KIND, {}), **resource}


@dataclass(frozen=True, kw_only=True)
class BigQueryLoadConfig(_TransferConfig):
    """Where a load job puts data, and how it reads them.

    Attributes:
        destination: The table, `project.dataset.table` or `dataset.table`.
        source_uris: Files, `gs://bucket/path`, with `*` for any part; those of the task's inputs are
            added to them.
        source_format: Of the files; None goes by their ending.
        schema: Type by column as in SQL, such as `{"day": "DATE"}`; None for that of the table.
        autodetect: Whether BigQuery guesses the schema of text files; None for no, so that one has to
            be given where the table does not exist yet.
        skip_leading_rows: Lines of a CSV file before the data.
        write_disposition: What happens to rows that are there already; BigQuery's default appends.
        create_disposition: Whether the table may be created.
        time_partitioning: Partitions of a table that is created.
        range_partitioning: The same, by number.
        clustering_fields: Up to four columns to cluster it by.
        max_bad_records: Rows that may be left out because they can't be read.
        LoadJobConfig: The vendor's own object, for what has no field here. The fields win over it.
    """

    _KIND = "load"

    destination: str
    source_uris: Sequence[str] = ()
    source_format: Literal["CSV", "NEWLINE_DELIMITED_JSON", "AVRO", "PARQUET", "ORC", "DATASTORE_BACKUP"] | None = None
    schema: Mapping[str, str] | None = None
    autodetect: bool | None = None
    skip_leading_rows: int | None = None
    write_disposition: Literal["WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE"] | None = None
    create_disposition: Literal["CREATE_IF_NEEDED", "CREATE_NEVER"] | None = None
    time_partitioning: TimePartitioning | None = None
    range_partitioning: RangePartitioning | None = None
    clustering_fields: Sequence[str] = ()
    max_bad_records: int | None = None
    LoadJobConfig: bigquery.LoadJobConfig | None = None

    def _vendor(self) -> Any:
        return self.LoadJobConfig

    def _own(self) -> Custom:
        from flyte_connectors_bigquery.values.types import table_field

        fields = [table_field(name, sql) for name, sql in (self.schema or {}).items()]
        return {
            "destinationTable": table_reference(self.destination, self.ProjectID),
            "sourceUris": list(self.source_uris),
            "sourceFormat": self.source_format,
            "schema": fields and {"fields": fields},
            "autodetect": self.autodetect,
            "skipLeadingRows": self.skip_leading_rows,
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "maxBadRecords": self.max_bad_records,
            "clustering": self.clustering_fields and {"fields": list(self.clustering_fields)},
            **partitioning(self.time_partitioning, self.range_partitioning),
        }


@dataclass(frozen=True, kw_only=True)
class BigQueryExtractConfig(_TransferConfig):
    """Which table an extract job writes to files, and how.

    Attributes:
        destination_uris: Files, `gs://bucket/path`; a `*` in one makes several files of a large table.
        source: The table, `project.dataset.table`; None where it is an input of the task.
        destination_format: Of the files.
        compression: Of the files.
        print_header: Whether a CSV file begins with the names of the columns; None for yes.
        field_delimiter: Between the columns of a CSV file; None for a comma.
        ExtractJobConfig: The vendor's own object, for what has no field here. The fields win over it.
    """

    _KIND = "extract"

    destination_uris: Sequence[str]
    source: str | None = None
    destination_format: Literal["CSV", "NEWLINE_DELIMITED_JSON", "AVRO", "PARQUET"] | None = None
    compression: Compression | None = None
    print_header: bool | None = None
    field_delimiter: str | None = None
    ExtractJobConfig: bigquery.ExtractJobConfig | None = None

    def _vendor(self) -> Any:
        return self.ExtractJobConfig

    def _own(self) -> Custom:
        return {
            "sourceTable": self.source and table_reference(self.source, self.ProjectID),
            "destinationUris": list(self.destination_uris),
            "destinationFormat": self.destination_format,
            "compression": self.compression,
            "fieldDelimiter": self.field_delimiter,
            "printHeader": self.print_header,
        }


@dataclass(frozen=True, kw_only=True)
class BigQueryCopyConfig(_TransferConfig):
    """Which tables a copy job copies, and where to.

    Attributes:
        destination: The table, `project.dataset.table` or `dataset.table`.
        sources: Tables to copy; those of the task's inputs are added to them.
        write_disposition: What happens to rows that are there already.
        create_disposition: Whether the table may be created.
        operation_type: `SNAPSHOT`, `CLONE` or `RESTORE` instead of a copy.
        CopyJobConfig: The vendor's own object, for what has no field here. The fields win over it.
    """

    _KIND = "copy"

    destination: str
    sources: Sequence[str] = ()
    write_disposition: Literal["WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE"] | None = None
    create_disposition: Literal["CREATE_IF_NEEDED", "CREATE_NEVER"] | None = None
    operation_type: Literal["COPY", "SNAPSHOT", "CLONE", "RESTORE"] | None = None
    CopyJobConfig: bigquery.CopyJobConfig | None = None

    def _vendor(self) -> Any:
        return self.CopyJobConfig

    def _own(self) -> Custom:
        return {
            "destinationTable": table_reference(self.destination, self.ProjectID),
            "sourceTables": [table_reference(name, self.ProjectID) for name in self.sources],
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "operationType": self.operation_type,
        }
