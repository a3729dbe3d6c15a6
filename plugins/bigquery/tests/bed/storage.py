"""Google's Storage Read API, on loopback: a gRPC server of the vendor's own messages, of a few megabytes each.

The emulator has this API, too, and sends a whole table as one message, which Google does not. Here a table is
as many rows as its name says, `rows_1000000`, made message by message, so that neither side has to hold them. A server
can be told to break streams, as Google's does in the long run; its client goes on at the row it has reached.

https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1
"""

from __future__ import annotations

import contextlib
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import pyarrow
import pyarrow.compute
from google.cloud.bigquery_storage_v1 import types

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
SCHEMA = pyarrow.schema(
    [
        ("n", pyarrow.int64()),
        ("f", pyarrow.float64()),
        ("day", pyarrow.date32()),
        ("s", pyarrow.string()),
    ]
)
DDL = "n INT64, f FLOAT64, day DATE, s STRING"
"""The same columns as a statement has them."""

ROWS_OF_A_MESSAGE = 20_000
"""About 3 MB."""


def rows_from(start: int, count: int) -> pyarrow.RecordBatch:
    """Rows of a table, from one on; each says which it is."""
    numbers = pyarrow.array(range(start, start + count), pyarrow.int64())
    texts = pyarrow.compute.binary_join_element_wise("x" * 120, numbers.cast(pyarrow.string()), "")
    days = pyarrow.array([19_782 + n % 365 for n in range(start, start + count)], pyarrow.int32())
    halves = pyarrow.compute.divide(numbers.cast(pyarrow.float64()), 7.0)
    columns = [numbers, halves, days.cast(pyarrow.date32()), texts]
    return pyarrow.RecordBatch.from_arrays(columns, schema=SCHEMA)


@dataclass
class StorageServer:
    """The running server.

    Attributes:
        host: HOST:PORT.
        breaks: Streams end with an error after this many messages, as often as the number says; empty for never.
        asked: The offset of each `ReadRows`.
    """

    host: str = ""
    breaks: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def create_read_session(
        self, request: types.CreateReadSessionRequest, _context: grpc.ServicerContext
    ) -> types.ReadSession:
        """One stream, whose name has the rows and the columns."""
        asked = request.read_session
        names = list(asked.read_options.selected_fields) or SCHEMA.names
        rows = asked.table.rpartition("_")[2]
        stream = f"{request.parent}/sessions/s/streams/{rows}-{'-'.join(names)}"
        schema = pyarrow.schema([SCHEMA.field(name) for name in names])
        return types.ReadSession(
            name=f"{request.parent}/sessions/s",
            table=asked.table,
            data_format=types.DataFormat.ARROW,
            arrow_schema=types.ArrowSchema(serialized_schema=schema.serialize().to_pybytes()),
            streams=[types.ReadStream(name=stream)],
        )

    def read_rows(
        self, request: types.ReadRowsRequest, context: grpc.ServicerContext
    ) -> Iterator[types.ReadRowsResponse]:
        """The rows from the offset on."""
        rows, *names = request.read_stream.rpartition("/")[2].split("-")
        self.asked.append(request.offset)
        messages = self.breaks.pop(0) if self.breaks else None
        for start in range(request.offset, int(rows), ROWS_OF_A_MESSAGE):
            if messages == 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server goes away")
            messages = None if messages is None else messages - 1
            batch = rows_from(start, min(ROWS_OF_A_MESSAGE, int(rows) - start)).select(names)
            yield types.ReadRowsResponse(
                row_count=batch.num_rows,
                arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
            )


@contextlib.contextmanager
def running() -> Iterator[StorageServer]:
    """Serve within this block."""
    serving = StorageServer()
    session = grpc.unary_unary_rpc_method_handler(
        serving.create_read_session,
        types.CreateReadSessionRequest.deserialize,
        types.ReadSession.serialize,
    )
    rows = grpc.unary_stream_rpc_method_handler(
        serving.read_rows, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
    )
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {"CreateReadSession": session, "ReadRows": rows})]
    )
    serving.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield serving
    finally:
        server.stop(None).wait()
