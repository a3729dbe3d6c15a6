"""Reading results: over the Storage API or REST, as pandas, polars or pyarrow."""

from __future__ import annotations

import datetime
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pyarrow
import pytest
from bed import iris, storage
from bed.calls import Calls
from flyte_connectors import DataFrame
from flyte_connectors.errors import FrameError
from flyte_connectors_bigquery import read_batches
from flyte_connectors_bigquery.results import tables

if TYPE_CHECKING:
    from bed.proxy import Front


@pytest.fixture(params=["storage", "rest"])
def over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that the rows take."""
    if request.param == "rest":
        monkeypatch.setattr(tables, "_storage_client", lambda _credentials: None)
    return str(request.param)


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame, pyarrow.Table])
def test_frames_hold_what_the_table_holds(calls: Calls, library: Any) -> None:
    """Each library's frame has all rows and columns of the public data set."""
    frame = DataFrame(uri=calls.uri("iris")).open(library).all_sync()
    assert isinstance(frame, library)
    rows = pyarrow.Table.from_pandas(frame) if library is pandas.DataFrame else frame
    rows = rows.to_dicts() if library is polars.DataFrame else rows.to_pylist()
    assert sorted(map(_values, rows)) == sorted(map(_values, iris.rows()))


def test_the_core_alone_finds_the_reader(calls: Calls) -> None:
    """A program that has never imported this package opens its tables: the core knows where to look."""
    program = (
        "import pyarrow, flyte_connectors as core\n"
        f"print(core.DataFrame(uri='{calls.uri('iris')}').open(pyarrow.Table).all_sync().num_rows)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "150"


@pytest.mark.usefixtures("over")
def test_only_declared_columns_are_read(calls: Calls) -> None:
    """Columns of the DataFrame's type, in any case."""
    frame = DataFrame(uri=calls.uri("iris"), columns={"Species": str})
    assert frame.open(pyarrow.Table).all_sync().column_names == ["species"]


@pytest.mark.parametrize("over", ["rest"], indirect=True)
@pytest.mark.usefixtures("over")
def test_only_declared_columns_cross_the_network(emulated: Calls, front: Front) -> None:
    """BigQuery is asked for no others."""
    frame = DataFrame(uri=emulated.uri("iris"), columns={"Species": str})
    frame.open(pyarrow.Table).all_sync()
    assert front.count("GET", "selectedFields=species")


@pytest.mark.usefixtures("over")
async def test_an_empty_result_has_its_columns(calls: Calls) -> None:
    """No rows is a frame with typed columns, not an error."""
    frame = await _result(calls, "SELECT species, 1 AS n FROM iris WHERE FALSE")
    table = await frame.open(pyarrow.Table).all()
    assert table.schema.names == ["species", "n"]
    assert table.num_rows == 0


async def test_a_null_leaves_other_numbers_exact(calls: Calls) -> None:
    """INT64 with a NULL among the values is no float in pandas."""
    frame = await _result(calls, f"SELECT * FROM UNNEST([{2**62 + 1}, NULL]) AS n ORDER BY n")
    numbers = (await frame.open(pandas.DataFrame).all())["n"]
    assert list(numbers.dropna()) == [2**62 + 1]
    assert numbers.isna().sum() == 1


async def test_a_large_result_streams_in_batches(calls: Calls, over: str) -> None:
    """Rows can be had batch by batch, each freed before the next."""
    frame = await _result(calls, "SELECT n, REPEAT('x', 100) AS s FROM UNNEST(GENERATE_ARRAY(1, 250000)) n")
    assert frame.uri is not None
    seen = largest = batches = 0
    for batch in read_batches(frame.uri, ["n"]):
        seen += batch.num_rows
        batches += 1
        largest = max(largest, pyarrow.total_allocated_bytes())
    assert seen == 250_000
    assert batches > 1
    if over == "storage":
        assert largest < 250_000 * 8


def test_rest_takes_over_where_the_storage_api_is_out_of_reach(
    emulated: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Credentials without the Storage API's permissions, or no such server: slower, not broken."""
    monkeypatch.setenv(tables.STORAGE_EMULATOR_VARIABLE, "127.0.0.1:1")
    monkeypatch.setattr(tables, "STORAGE_SECONDS", 0.5)
    with caplog.at_level(logging.WARNING):
        frame = DataFrame(uri=emulated.uri("iris")).open(pyarrow.Table).all_sync()
    assert frame.num_rows == 150
    assert "reading over REST" in caplog.text


async def test_a_stream_that_breaks_goes_on_where_it_was(emulated: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google ends long streams; each row comes once, in order, whatever was lost in between."""
    rows = 5 * storage.ROWS_OF_A_MESSAGE + 1
    await emulated.run(emulated.query(f"CREATE TABLE IF NOT EXISTS rows_{rows} ({storage.DDL})"))
    with storage.running() as server:
        monkeypatch.setenv(tables.STORAGE_EMULATOR_VARIABLE, server.host)
        server.breaks += [2, 0, 1]
        columns = {"n": int, "day": datetime.date}
        frame = DataFrame(uri=emulated.uri(f"rows_{rows}"), columns=columns)
        read = frame.open(pyarrow.Table).all_sync()
    assert read.column_names == ["n", "day"]
    assert read["n"].to_pylist() == list(range(rows))
    assert server.asked == [storage.ROWS_OF_A_MESSAGE * message for message in (0, 2, 2, 3)]


def test_a_table_that_is_gone_says_why(calls: Calls) -> None:
    """Anonymous results expire; the error tells how to keep one."""
    with pytest.raises(FileNotFoundError, match=r"about 24 hours; set BigQueryConfig.destination"):
        DataFrame(uri=calls.uri("expired")).open(pandas.DataFrame).all_sync()


@pytest.mark.parametrize("uri", ["bq://p1.garden.iris", "bq://p1:garden", "bq://:garden.iris"])
def test_a_uri_that_is_no_table_is_refused(uri: str) -> None:
    """The form of the URI is part of the message."""
    with pytest.raises(FrameError, match=r"write bq://project:dataset\.table"):
        DataFrame(uri=uri).open(pandas.DataFrame).all_sync()


def test_a_column_that_is_not_there_is_named(calls: Calls) -> None:
    """The columns that are there are part of the message."""
    frame = DataFrame(uri=calls.uri("iris"), columns={"colour": str})
    with pytest.raises(FrameError, match=r"no column 'colour': it has sepal_length, .* species"):
        frame.open(pandas.DataFrame).all_sync()


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


async def _result(calls: Calls, sql: str) -> DataFrame:
    results: DataFrame = (await calls.run(calls.query(sql, frame=True)))["results"]
    return results
