"""Frames written to tables: types both ways, appended or replaced, in bounded memory."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pyarrow
import pytest
from bed import keys
from bed.proxy import Fault, lost_reply
from flyte_connectors import DataFrame
from flyte_connectors.errors import FrameError, PermissionDeniedError
from flyte_connectors_bigquery import write_table
from flyte_connectors_bigquery.access import uploads
from flyte_connectors_bigquery.values import arrow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.calls import Calls
    from bed.proxy import Front

DAY = datetime.date(2024, 2, 29)
UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)
DECIMAL = decimal.Decimal
ROW: dict[str, tuple[pyarrow.DataType, Any]] = {
    "b": (pyarrow.bool_(), True),
    "i": (pyarrow.int64(), 2**62 + 1),
    "f": (pyarrow.float64(), 0.5),
    "n": (pyarrow.decimal128(10, 2), DECIMAL("1.50")),
    "s": (pyarrow.string(), "Żółć"),
    "day": (pyarrow.date32(), DAY),
    "clock": (pyarrow.time64("us"), datetime.time(1, 2, 3, 4)),
    "civil": (pyarrow.timestamp("us"), MOMENT.replace(tzinfo=None)),
    "instant": (pyarrow.timestamp("us", "UTC"), MOMENT),
    "tags": (pyarrow.list_(pyarrow.string()), ["a", "b"]),
    "parts": (
        pyarrow.struct([("at", pyarrow.date32()), ("n", pyarrow.int64())]),
        {"at": DAY, "n": 1},
    ),
    "nothing": (pyarrow.int64(), None),
}
TABLE = pyarrow.Table.from_pylist(
    [{name: value for name, (_, value) in ROW.items()}],
    pyarrow.schema([(name, kind) for name, (kind, _) in ROW.items()]),
)
TYPES = {
    "b": "BOOL",
    "i": "INT64",
    "f": "FLOAT64",
    "n": "NUMERIC",
    "s": "STRING",
    "day": "DATE",
    "clock": "TIME",
    "civil": "DATETIME",
    "instant": "TIMESTAMP",
    "tags": "STRING",
    "parts": "STRUCT",
    "nothing": "INT64",
}


@pytest.fixture
def uri(emulated: Calls) -> str:
    """Of a table that does not exist."""
    return emulated.uri(f"t{uuid.uuid4().hex}")


def test_a_frame_comes_back_as_it_was(emulated: Calls, front: Front, uri: str) -> None:
    """Each type of Arrow's that BigQuery has a column for; the core finds the writer."""
    sent: list[Any] = []

    def look(handler: Any, forward: Any) -> Any:
        resource = handler.body.split(b"\r\n\r\n", 2)[1].partition(b"\r\n")[0]
        sent.append(json.loads(resource)["configuration"]["load"]["schema"]["fields"])
        return forward()

    front.faults.append(Fault(look, method="POST", path="uploadType"))
    frame = DataFrame.from_local_sync(TABLE, uri)
    assert frame.uri == uri
    assert {field["name"]: field["type"] for field in sent[0]} == TYPES
    read = frame.open(pyarrow.Table).all_sync()
    assert read.to_pylist() == TABLE.to_pylist()
    assert read.schema.field("day").type == pyarrow.date32()
    assert frame.open(polars.DataFrame).all_sync()["day"].to_list() == [DAY]
    assert frame.open(pandas.DataFrame).all_sync()["day"].to_list() == [DAY]


def test_bytes_are_a_column_of_their_own() -> None:
    """The emulator can't load them, so that only their declaration is seen here."""
    for kind in (pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary(3)):
        schema, written = arrow.column(pyarrow.field("y", kind))
        assert schema == {"name": "y", "type": "BYTES"}
        assert written.type == pyarrow.binary()


@pytest.mark.parametrize("library", ["pandas", "polars", "reader", "batches"])
def test_frames_of_each_library_are_written(uri: str, library: str) -> None:
    """Dates of pandas, categories, large text of polars, and batches that come one by one."""
    days = [DAY, None]
    kinds = pandas.Categorical(["x", "y"])
    table = pyarrow.table({"day": pyarrow.array(days), "kind": ["x", "y"]})
    frame: Any = {
        "pandas": pandas.DataFrame({"day": days, "kind": kinds}, index=[5, 6]),
        "polars": polars.DataFrame({"day": days, "kind": ["x", "y"]}).with_columns(
            polars.col("kind").cast(polars.Categorical)
        ),
        "reader": table.to_reader(),
        "batches": (batch for batch in table.to_batches(1)),
    }[library]
    write_table(frame, uri)
    read = DataFrame(uri=uri).open(pyarrow.Table).all_sync()
    rows = sorted(read.to_pylist(), key=lambda row: str(row["kind"]))
    assert rows == [{"day": DAY, "kind": "x"}, {"day": None, "kind": "y"}]


def test_rows_that_are_there_are_kept_appended_to_or_replaced(uri: str) -> None:
    """By what the URI says; nothing is said by mistake."""
    one = pyarrow.table({"n": [1]})

    def rows() -> int:
        return int(DataFrame(uri=uri).open(pyarrow.Table).all_sync().num_rows)

    write_table(one, uri)
    with pytest.raises(FrameError, match=r"duplicate\); add \?write=append or \?write=replace"):
        write_table(one, uri)
    assert write_table(one, f"{uri}?write=append") == uri
    assert rows() == 2
    write_table(one, f"{uri}?write=replace")
    assert rows() == 1
    with pytest.raises(FrameError, match="is not a table"):
        write_table(one, f"{uri}?write=over")


def test_a_large_frame_passes_in_pieces(uri: str, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that nobody keeps, in requests of bounded size."""
    monkeypatch.setattr(uploads, "PIECE_BYTES", 256 * 1024)
    alive = []

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for start in range(0, 100_000, 10_000):
            alive.append(pyarrow.total_allocated_bytes())
            numbers = pyarrow.array(range(start, start + 10_000), pyarrow.int64())
            yield pyarrow.RecordBatch.from_arrays([numbers], ["n"])

    write_table(batches(), uri)
    assert alive[-1] <= 1.5 * alive[2]  # what the first ones needed was enough
    assert front.count("PUT") > 1
    assert DataFrame(uri=uri).open(pyarrow.Table).all_sync()["n"].sort() == pyarrow.chunked_array(
        [pyarrow.array(range(100_000))]
    )


def test_a_lost_reply_writes_once(uri: str, front: Front) -> None:
    """The load job has an id, so that it is found again."""
    front.faults.append(Fault(lost_reply, method="POST", times=1))
    write_table(pyarrow.table({"n": [1]}), f"{uri}?write=append")
    assert DataFrame(uri=uri).open(pyarrow.Table).all_sync().num_rows == 1


def test_the_account_of_the_uri_writes(
    emulated: Calls, front: Front, uri: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as reads it."""
    assert emulated
    seen = set()

    def look(handler: Any, forward: Any) -> Any:
        seen.add(handler.headers.get("Authorization"))
        return forward()

    keys.issue(front)
    front.faults.append(Fault(look, path="/jobs"))
    monkeypatch.setenv("FLYTE_SECRET_BQ_KEY", key)
    frame = DataFrame.from_local_sync(pyarrow.table({"n": [1]}), f"{uri}?secret=bq-key")
    assert frame.uri == f"{uri}?secret=bq-key"
    assert seen == {"Bearer issued-token"}


def test_what_the_reader_lacks_is_said_when_writing(uri: str, front: Front) -> None:
    """A secret that this process does not have."""
    from bed.proxy import answer

    front.faults.append(Fault(answer(403, "accessDenied", "Access Denied"), method="POST"))
    with pytest.raises(PermissionDeniedError, match="ran with a secret that this process does not"):
        write_table(pyarrow.table({"n": [1]}), f"{uri}?secret=lost")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pyarrow.array([datetime.timedelta(1)]), r"column x: BigQuery can't load duration\[us\]"),
        (pyarrow.array([[[1]]]), r"column x: BigQuery can't load list"),
        (
            pyarrow.array([1], pyarrow.timestamp("ns")),
            "column x can't be written to BigQuery: .*los",
        ),
    ],
)
def test_a_column_that_does_not_fit_is_named(values: Any, said: str, front: Front) -> None:
    """Before anything is sent."""
    with pytest.raises(FrameError, match=said):
        write_table(pyarrow.table({"x": values}), "bq://p1:garden.t")
    assert not front.calls


@pytest.mark.parametrize("frame", [[], [1], "rows", None])
def test_what_is_no_frame_is_refused(frame: Any) -> None:
    """The message has what can be written."""
    with pytest.raises(FrameError, match="use a frame of pandas, polars or pyarrow"):
        write_table(frame, "bq://p1:garden.t")
