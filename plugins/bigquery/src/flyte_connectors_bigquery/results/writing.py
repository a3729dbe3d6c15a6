"""Writing frames of pandas, polars or pyarrow to `bq://project:dataset.table`; see `uris`.

A frame becomes one Parquet file on disk, batch by batch, and the file one load job: readers see all rows or
none, and a batch at a time is in memory.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet
from flyte_connectors.errors import FrameError
from google.api_core.client_info import ClientInfo
from google.cloud import bigquery

from flyte_connectors_bigquery.access.vendor_errors import translated
from flyte_connectors_bigquery.client import BigQuery
from flyte_connectors_bigquery.jobs.request import JobRequest
from flyte_connectors_bigquery.jobs.states import message_of
from flyte_connectors_bigquery.results.readers import Reader
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.values import arrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from google.auth.credentials import Credentials

DISPOSITIONS = {None: "WRITE_EMPTY", "append": "WRITE_APPEND", "replace": "WRITE_TRUNCATE"}
"""By the member `write` of the URI."""

ROWS_IN_MEMORY = 100_000
"""Rows of a batch that is written."""


def write_table(frame: Any, uri: str, credentials: Credentials | None = None) -> str:
    """Write a frame to a table; return the URI to read it by.

    Args:
        frame: A frame of pandas, polars or pyarrow, a `pyarrow.RecordBatchReader`, or batches, of which
            one is in memory at a time.
        uri: `bq://project:dataset.table`, whose account writes as it would read; with `?write=append` or
            `?write=replace` for a table that has rows, which is refused otherwise.
        credentials: Of google-auth; None for what the URI says, see `readers`.

    Raises:
        FrameError: `uri` is not such a URI, BigQuery has no type for a column, or it does not take the
            rows.
        ConnectorError: anything else; see `vendor_errors`.
    """
    table = TableUri.parse(uri)
    schema, batches = _batches(frame)
    columns = [arrow.column(field) for field in schema]
    reader = Reader.of(table, credentials)
    request = _request(table, reader.project, [column for column, _ in columns])
    with tempfile.TemporaryFile() as file:
        _write_parquet(file, batches, pyarrow.schema([written for _, written in columns]))
        with (
            bigquery.Client(
                project=reader.project,
                credentials=reader.credentials,
                client_info=ClientInfo(user_agent="flyte-connectors-bigquery"),
            ) as client,
            reader.explained(),
        ):
            job: Any = BigQuery(client).start(request, f"flyte-{uuid.uuid4().hex}", file)
            _await(job, uri)
    return str(dataclasses.replace(table, write=None))


def _request(table: TableUri, project: str, fields: list[dict[str, Any]]) -> JobRequest:
    load = {
        "destinationTable": {
            "projectId": table.project,
            "datasetId": table.dataset,
            "tableId": table.table,
        },
        "schema": {"fields": fields},
        "sourceFormat": "PARQUET",
        "parquetOptions": {"enableListInference": True},
        "writeDisposition": DISPOSITIONS[table.write],
    }
    configuration = {"load": load, "labels": {}}
    return JobRequest("load", project, None, configuration, None, None)


def _await(job: Any, uri: str) -> None:
    with translated(uri):
        job.exception()  # waits
    if job.error_result:
        hint = ""
        if job.error_result.get("reason") == "duplicate":
            hint = "; add ?write=append or ?write=replace to the URI"
        message = f"{uri} can't be written: {message_of(job)}{hint}"
        raise FrameError(message)


def _write_parquet(file: IO[bytes], batches: Iterable[pyarrow.RecordBatch], schema: pyarrow.Schema) -> None:
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in batches:
            writer.write_table(arrow.cast(batch, schema))


def _batches(frame: Any) -> tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]:
    """The schema and the rows of a frame.

    Raises:
        FrameError: it is not a frame.
    """
    library = type(frame).__module__.partition(".")[0]
    if library == "polars":
        frame = frame.to_arrow()
    elif library == "pandas":
        frame = pyarrow.Table.from_pandas(frame, preserve_index=False)
    if isinstance(frame, pyarrow.RecordBatch):
        return frame.schema, iter([frame])
    if isinstance(frame, pyarrow.Table):
        return frame.schema, iter(frame.to_batches(ROWS_IN_MEMORY))
    if isinstance(frame, pyarrow.RecordBatchReader):
        return frame.schema, iter(frame)
    batches = iter(frame) if isinstance(frame, Iterable) else iter(())
    first: Any = next(batches, None)
    if not isinstance(first, pyarrow.RecordBatch):
        message = (
            f"a {type(frame).__name__} can't be written to BigQuery: use a frame of pandas, polars or "
            "pyarrow, or batches of pyarrow"
        )
        raise FrameError(message)
    return first.schema, itertools.chain([first], batches)
