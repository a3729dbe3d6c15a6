"""Reading `bq://project:dataset.table` as frames of pandas, polars or pyarrow; see `uris`.

Batches come over the Storage API (Arrow on the wire) where its library is installed and the
credentials may use it, else over REST; in both cases one after the other, in the order of the
result. `read_batches` holds one at a time; `DataFrame.open` has the frame in memory as a whole, and
little beside it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

from flyte_connectors.errors import FrameError
from google.api_core import exceptions
from google.cloud import bigquery

from flyte_connectors_bigquery.access.vendor_errors import translated
from flyte_connectors_bigquery.results.readers import Reader
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE, STORAGE_EMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas
    import polars
    import pyarrow
    from google.auth.credentials import Credentials
    from google.cloud.bigquery_storage import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.types import ReadRowsResponse, ReadSession

STORAGE_SECONDS = 20.0
"""How long the Storage API may take to answer before REST takes over."""

_PROGRESS_SECONDS = 0.5

logger = logging.getLogger(__name__)


def read_batches(
    uri: str, columns: Sequence[str] = (), credentials: Credentials | None = None
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of a table in batches, of which one is in memory at a time.

    Args:
        uri: `bq://project:dataset.table`, as a task gave it.
        columns: Names of the columns wanted; none means all.
        credentials: Of google-auth; None for what the URI says, see `readers`.

    Raises:
        FrameError: `uri` is not such a URI, or the table lacks a column.
        FileNotFoundError: the table does not exist, or not any more.
        ConnectorError: BigQuery does not give the rows.
    """
    from flyte_connectors_bigquery.results.columns import intervals_as_text  # it needs pyarrow

    table = TableUri.parse(uri)
    reader = Reader.of(table, credentials)
    with bigquery.Client(project=reader.project, credentials=reader.credentials) as client:
        reference = bigquery.DatasetReference(table.project, table.dataset).table(table.table)
        try:
            with reader.explained(), translated(uri):
                batches, total = _batches(client, reader.credentials, reference, columns)
                yield from map(intervals_as_text, _progress(uri, batches, total))
        except _GoneError:
            message = (
                f"table {uri} does not exist: BigQuery keeps results without a destination for about "
                "24 hours; set BigQueryConfig.destination to keep one"
            )
            raise FileNotFoundError(message) from None


def read_arrow(uri: str, columns: Sequence[str] = ()) -> pyarrow.Table:
    """The rows of a table as a `pyarrow.Table`; see `read_batches`."""
    import pyarrow

    return pyarrow.Table.from_batches(read_batches(uri, columns))


def read_pandas(uri: str, columns: Sequence[str] = ()) -> pandas.DataFrame:
    """The rows of a table as a `pandas.DataFrame`; see `read_batches`.

    Columns of INT64 and BOOL have pandas' nullable types: a NULL leaves the other values exact.
    """
    import pandas
    import pyarrow

    nullable = {pyarrow.int64(): pandas.Int64Dtype(), pyarrow.bool_(): pandas.BooleanDtype()}
    table = read_arrow(uri, columns)
    frame: pandas.DataFrame = table.to_pandas(types_mapper=nullable.get, split_blocks=True, self_destruct=True)
    return frame


def read_polars(uri: str, columns: Sequence[str] = ()) -> polars.DataFrame:
    """The rows of a table as a `polars.DataFrame`; see `read_batches`."""
    import polars

    frame = polars.from_arrow(read_arrow(uri, columns))
    assert isinstance(frame, polars.DataFrame)
    return frame


class _GoneError(Exception):
    """The table does not exist."""


def _batches(
    client: bigquery.Client,
    credentials: Credentials,
    reference: bigquery.TableReference,
    columns: Sequence[str],
) -> tuple[Iterator[pyarrow.RecordBatch], int]:
    """The batches, and how many rows they hold together."""
    try:
        table = client.get_table(reference)
    except exceptions.NotFound:
        raise _GoneError from None
    selected = _selected(table, columns)

    session = _session(credentials, client.project, table, selected)
    batches = session or _over_rest(client, table, selected)
    return batches, table.num_rows or 0


def _selected(table: bigquery.Table, columns: Sequence[str]) -> list[bigquery.SchemaField] | None:
    if not columns:
        return None
    # Column names are case-insensitive in BigQuery.
    fields = {field.name.lower(): field for field in table.schema}
    missing = [name for name in columns if name.lower() not in fields]
    if missing:
        message = f"{table.full_table_id} has no column {missing[0]!r}: it has {', '.join(fields)}"
        raise FrameError(message)
    return [fields[name.lower()] for name in columns]


def _session(
    credentials: Credentials,
    project: str,
    table: bigquery.Table,
    selected: Sequence[bigquery.SchemaField] | None,
) -> Iterator[pyarrow.RecordBatch] | None:
    """The batches over the Storage API; None where it can't be used.

    https://cloud.google.com/bigquery/docs/reference/storage
    """
    try:
        from google.cloud.bigquery_storage_v1 import types

        storage = _storage_client(credentials)
        if storage is None:
            return None
        session = storage.create_read_session(
            parent=f"projects/{project}",
            read_session=types.ReadSession(
                table=table.reference.to_bqstorage(),
                data_format=types.DataFormat.ARROW,
                read_options={"selected_fields": [field.name for field in selected or ()]},
            ),
            max_stream_count=1,  # several would mix up the rows of an ORDER BY
            retry=None,
            timeout=STORAGE_SECONDS,
        )
    except (ImportError, exceptions.GoogleAPICallError) as error:
        logger.warning("reading over REST, because the Storage API is not available: %s", error)
        return None
    return _over_storage(storage, session)


def _over_storage(storage: BigQueryReadClient, session: ReadSession) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    with storage:
        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(session.arrow_schema.serialized_schema))

        def batch_of(response: ReadRowsResponse) -> pyarrow.RecordBatch:
            batch = response.arrow_record_batch.serialized_record_batch
            return pyarrow.ipc.read_record_batch(pyarrow.py_buffer(batch), schema)

        # An empty table has no batch; this one has its columns.
        yield pyarrow.RecordBatch.from_pylist([], schema)
        for stream in session.streams:
            # `map` keeps neither the message nor the batch while it waits for the next.
            yield from map(batch_of, storage.read_rows(stream.name))


def _storage_client(credentials: Credentials) -> BigQueryReadClient | None:
    if not os.environ.get(EMULATOR_VARIABLE):
        from google.cloud.bigquery_storage import BigQueryReadClient

        return BigQueryReadClient(credentials=credentials)
    host = os.environ.get(STORAGE_EMULATOR_VARIABLE)
    if host is None:
        return None
    import grpc
    from google.cloud.bigquery_storage import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
        BigQueryReadGrpcTransport,
    )

    # As Google's own channels: a batch of wide rows has more than gRPC's default of 4 MiB.
    channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def _over_rest(
    client: bigquery.Client,
    table: bigquery.Table,
    selected: Sequence[bigquery.SchemaField] | None,
) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    from flyte_connectors_bigquery.results import columns

    fields = selected or table.schema
    readable = columns.readable(fields)
    asked = readable or selected
    empty = True
    for batch in client.list_rows(table, asked).to_arrow_iterable():
        empty = False
        yield columns.restored(batch, fields) if readable else batch
    if empty:  # This one has the columns.
        schema = client.list_rows(table, asked).to_arrow(create_bqstorage_client=False).schema
        batch = pyarrow.RecordBatch.from_pylist([], schema)
        yield columns.restored(batch, fields) if readable else batch


def _progress(uri: str, batches: Iterator[pyarrow.RecordBatch], total: int) -> Iterator[pyarrow.RecordBatch]:
    """The same batches; a line on the terminal shows the progress."""
    shown = sys.stderr.isatty()
    seen, due = 0, time.monotonic() + _PROGRESS_SECONDS
    for batch in batches:
        seen += batch.num_rows
        if shown and time.monotonic() >= due:
            due = time.monotonic() + _PROGRESS_SECONDS
            print(f"\r{uri}: {seen:,} of {total:,} rows", end="", file=sys.stderr, flush=True)  # noqa: T201
        yield batch
        del batch  # it is the caller's alone, while the next one comes
    logger.info("read %d rows of %s", seen, uri)
    if shown:
        print(f"\r{uri}: {seen:,} rows", file=sys.stderr)  # noqa: T201
