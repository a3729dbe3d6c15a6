"""Reading results: over the Storage API or REST, as pandas, polars or pyarrow."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pyarrow
import pytest
from bed.calls import CONFIG, Calls
from flyte_connectors import DataFrame
from flyte_connectors.frames import FrameError
from flyte_connectors_bigquery import BigQueryTask, read_batches, tables

if TYPE_CHECKING:
    from bed.proxy import Front

IRIS = "bq://p1:garden.iris"
pytestmark = pytest.mark.usefixtures("front")


@pytest.fixture(params=["storage", "rest"])
def over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, front: Front) -> str:
    """The way that the rows take."""
    if request.param == "rest":
        monkeypatch.delenv(tables.STORAGE_EMULATOR_VARIABLE)
    return str(request.param)


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame, pyarrow.Table])
def test_frames_hold_what_the_table_holds(library: Any) -> None:
    """Each library's frame has all rows and columns of the public data set."""
    frame = DataFrame(uri=IRIS).open(library).all_sync()
    assert isinstance(frame, library)
    rows = pyarrow.Table.from_pandas(frame) if library is pandas.DataFrame else frame
    rows = rows.to_dicts() if library is polars.DataFrame else rows.to_pylist()
    with (Path(__file__).parent / "data/iris.csv").open() as file:
        expected = [
            {name: value if name == "species" else float(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
    assert sorted(map(_values, rows)) == sorted(map(_values, expected))


def test_the_core_alone_finds_the_reader() -> None:
    """A program that has never imported this package opens its tables: the core knows where to look."""
    program = (
        "import pyarrow, flyte_connectors as core\n"
        f"print(core.DataFrame(uri='{IRIS}').open(pyarrow.Table).all_sync().num_rows)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "150"


def test_only_declared_columns_are_read(over: str, front: Front) -> None:
    """Columns of the DataFrame's type are all that crosses the network, in any case."""
    frame = DataFrame(uri=IRIS, columns={"Species": str}).open(pyarrow.Table).all_sync()
    assert frame.column_names == ["species"]
    if over == "rest":
        assert front.count("GET", "selectedFields=species")


@pytest.mark.usefixtures("over")
async def test_an_empty_result_has_its_columns(calls: Calls) -> None:
    """No rows is a frame with typed columns, not an error."""
    frame = await _result(calls, "SELECT species, 1 AS n FROM garden.iris WHERE FALSE")
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
    frame = await _result(
        calls, "SELECT n, REPEAT('x', 100) AS s FROM UNNEST(GENERATE_ARRAY(1, 250000)) n"
    )
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


async def test_rest_takes_over_where_the_storage_api_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Credentials without the Storage API's permissions, or no such server: slower, not broken."""
    monkeypatch.setenv(tables.STORAGE_EMULATOR_VARIABLE, "127.0.0.1:1")
    monkeypatch.setattr(tables, "STORAGE_SECONDS", 0.5)
    with caplog.at_level(logging.WARNING):
        assert DataFrame(uri=IRIS).open(pyarrow.Table).all_sync().num_rows == 150
    assert "reading over REST" in caplog.text


def test_a_table_that_is_gone_says_why() -> None:
    """Anonymous results expire; the error tells how to keep one."""
    with pytest.raises(FileNotFoundError, match=r"about 24 hours; set BigQueryConfig.destination"):
        DataFrame(uri="bq://p1:garden.expired").open(pandas.DataFrame).all_sync()


@pytest.mark.parametrize("uri", ["bq://p1.garden.iris", "bq://p1:garden", "bq://:garden.iris"])
def test_a_uri_that_is_no_table_is_refused(uri: str) -> None:
    """The form of the URI is part of the message."""
    with pytest.raises(FrameError, match=r"write bq://project:dataset\.table"):
        DataFrame(uri=uri).open(pandas.DataFrame).all_sync()


def test_a_column_that_is_not_there_is_named() -> None:
    """The columns that are there are part of the message."""
    frame = DataFrame(uri=IRIS, columns={"colour": str})
    with pytest.raises(FrameError, match=r"no column 'colour': it has sepal_length, .* species"):
        frame.open(pandas.DataFrame).all_sync()


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.values())


async def _result(calls: Calls, sql: str) -> DataFrame:
    task = BigQueryTask(
        name="result", query_template=sql, plugin_config=CONFIG, output_dataframe_type=DataFrame
    )
    results: DataFrame = (await calls.run(task))["results"]
    return results
