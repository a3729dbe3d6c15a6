"""GEOGRAPHY, INTERVAL and RANGE: parameters, values and frames, alone and within other types."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pandas
import polars
import pyarrow
import pytest
from bed.calls import Calls
from dateutil.relativedelta import relativedelta
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import BigQueryTask
from flyte_connectors_bigquery.results import columns, tables
from flyte_connectors_bigquery.values.columns import converted
from flyte_connectors_bigquery.values.intervals import as_timedelta, interval_text
from flyte_connectors_bigquery.values.parameters import query_parameter
from flyte_connectors_bigquery.values.types import (
    RANGE_ELEMENTS,
    SCALARS,
    ParameterTypeError,
    checked,
    from_python,
    from_sql,
)
from google.cloud.bigquery import SchemaField
from google.cloud.bigquery._helpers import CELL_DATA_PARSER
from hypothesis import given
from hypothesis import strategies as st

ONE_OF_EACH = """
    SELECT GEOGRAPHY 'POINT(1 2)' AS place, [GEOGRAPHY 'POINT(1 2)'] AS places,
      INTERVAL 36 HOUR AS pause, RANGE<DATE> '[2024-02-29, UNBOUNDED)' AS days,
      [RANGE<DATE> '[2024-02-29, 2024-03-01)'] AS ranges,
      STRUCT(GEOGRAPHY 'POINT(1 2)' AS place, RANGE<DATE> '[2024-02-29, 2024-03-01)' AS days) AS both,
      [STRUCT([RANGE<DATE> '[2024-02-29, 2024-03-01)'] AS x)] AS deep"""


@given(st.timedeltas(min_value=datetime.timedelta(-3_660_000), max_value=datetime.timedelta(3_660_000)))
def test_an_interval_that_the_vendor_reads_is_the_one_that_was_sent(
    interval: datetime.timedelta,
) -> None:
    """BigQuery's parts have signs of their own, Python's days alone have one."""
    parameter = query_parameter("x", from_python(datetime.timedelta), interval)
    text = parameter["parameterValue"]["value"]
    assert as_timedelta(_read(text)) == interval


@given(
    st.builds(
        relativedelta,
        years=st.integers(-9999, 9999),
        months=st.integers(-11, 11),
        days=st.integers(-3_660_000, 3_660_000),
        hours=st.integers(-23, 23),
        minutes=st.integers(-59, 59),
        seconds=st.integers(-59, 59),
        microseconds=st.integers(-999_999, 999_999),
    )
)
def test_an_interval_that_the_vendor_has_read_can_be_sent(interval: relativedelta) -> None:
    """Months and all."""
    assert _total(_read(interval_text(interval))) == _total(interval)


@pytest.mark.parametrize("text", ["1-2 3 4:5:6.789", "-1-2 -3 -4:5:6", "P1Y2M3DT4H", "PT0.5S"])
def test_an_interval_may_be_written(text: str) -> None:
    """As BigQuery or ISO 8601 write it."""
    parameter = query_parameter("x", from_sql("INTERVAL"), text)
    assert parameter["parameterValue"] == {"value": text}


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("INTERVAL", "a while", "inputs.x: expected INTERVAL, got 'a while'"),
        ("INTERVAL", "P", "inputs.x: expected INTERVAL"),
        ("INTERVAL", 1, "inputs.x: expected INTERVAL"),
        ("GEOGRAPHY", 1, "inputs.x: expected GEOGRAPHY"),
        ("RANGE<DATE>", "2024", r"inputs.x: expected RANGE, two values or text such as '\[2024"),
        ("RANGE<DATE>", [1, 2], "inputs.x.start: expected DATE, got 1"),
        ("RANGE<DATE>", ["2024-01-01"], "inputs.x: expected RANGE"),
        ("ARRAY<RANGE<DATE>>", [None, "[x, y)"], r"inputs.x\[1\].start: expected DATE, got 'x'"),
    ],
)
def test_a_value_of_another_type_is_named(kind: str, wrong: Any, said: str) -> None:
    """With the part that is wrong."""
    with pytest.raises(InvalidRequestError, match=said):
        query_parameter("x", from_sql(kind), wrong)


@pytest.mark.parametrize("name", [*SCALARS, *(f"RANGE<{element}>" for element in RANGE_ELEMENTS)])
@pytest.mark.parametrize("within", ["{}", "ARRAY<{}>", "STRUCT<x {}>", "ARRAY<STRUCT<x ARRAY<{}>>>"])
def test_every_type_can_be_anywhere(name: str, within: str) -> None:
    """A type in a request is understood as it was written, and its NULL can be sent."""
    written = from_sql(within.format(name))
    assert checked(written) == written
    query_parameter("x", written, None)


@pytest.mark.parametrize(
    ("alias", "name"),
    [("integer", "INT64"), ("FLOAT", "FLOAT64"), ("BOOLEAN", "BOOL"), ("Decimal", "NUMERIC")],
)
def test_a_type_may_have_its_other_name(alias: str, name: str) -> None:
    """SQL and REST have two for some."""
    assert from_sql(alias) == checked({"type": alias}) == {"type": name}


@pytest.mark.parametrize(
    "wrong",
    [
        "DATE",
        {},
        {"type": "VOID"},
        {"type": "ARRAY"},
        {"type": "STRUCT"},
        {"type": "STRUCT", "structTypes": ["x"]},
        {"type": "RANGE", "rangeElementType": {"type": "INT64"}},
        {"type": "ARRAY", "arrayType": {"type": "ARRAY", "arrayType": {"type": "INT64"}}},
    ],
)
def test_a_request_with_another_type_is_refused(wrong: Any) -> None:
    """It names the type; nothing raises a KeyError."""
    with pytest.raises(ParameterTypeError):
        checked(wrong)


@pytest.mark.parametrize("kind", ["INTERVAL", "VOID", "GEOGRAPHY"])
async def test_parameters_of_other_sdks_are_checked(calls: Calls, kind: str) -> None:
    """An unknown type in a request is a bad request of the input that has it."""
    task = BigQueryTask("typed", "SELECT @x AS x", calls.config, inputs={"x": str})
    task._parameter_types["x"] = {"type": kind}
    with pytest.raises(InvalidRequestError, match=r"inputs\.x: "):
        await calls.create(task, {"x": "-" if kind == "INTERVAL" else 1})


@pytest.mark.live
async def test_an_interval_is_sent_and_comes_back(live: Calls) -> None:
    """As a timedelta, or as text where it has months. The emulator does not read BigQuery's form."""
    task = BigQueryTask(
        "interval",
        "SELECT @a AS a, INTERVAL '1-2 3 4:5:6' YEAR TO SECOND AS b, [@a] AS c",
        live.config,
        inputs={"a": datetime.timedelta},
        outputs={"a": datetime.timedelta, "b": str, "c": list[datetime.timedelta]},
    )
    interval = datetime.timedelta(days=2, hours=-1, microseconds=5)
    given_back = await live.run(task, {"a": interval})
    assert given_back == {"a": interval, "b": "1-2 3 4:5:6", "c": [interval]}


async def test_intervals_are_outputs(calls: Calls) -> None:
    """A timedelta, unless it has months; then text."""
    task = calls.query(
        "SELECT INTERVAL 36 HOUR AS a, INTERVAL '1-2' YEAR TO MONTH AS b, [INTERVAL 1 DAY] AS c",
        outputs={"a": datetime.timedelta, "b": str, "c": list[datetime.timedelta]},
    )
    day = datetime.timedelta(days=1)
    assert await calls.run(task) == {"a": 1.5 * day, "b": "1-2 0 0:0:0", "c": [day]}


def test_frames_hold_intervals_as_text() -> None:
    """Also within lists and structs, as the Storage API sends them."""
    interval = pyarrow.MonthDayNano([-14, 3, -14_706_789_000_000])
    kind = pyarrow.month_day_nano_interval()
    batch = pyarrow.RecordBatch.from_arrays(
        [
            pyarrow.array([interval, None], kind),
            pyarrow.array([[interval], []], pyarrow.list_(kind)),
            pyarrow.array([{"x": interval}, None], pyarrow.struct([("x", kind)])),
        ],
        ["a", "b", "c"],
    )
    text = "-1-2 3 -4:5:6.789000"
    assert columns.intervals_as_text(batch).to_pylist() == [
        {"a": text, "b": [text], "c": {"x": text}},
        {"a": None, "b": [], "c": None},
    ]
    polars.from_arrow(columns.intervals_as_text(batch))


async def test_values_of_every_type_are_outputs(calls: Calls) -> None:
    """A RANGE is its start and end, a GEOGRAPHY its text."""
    task = calls.query(
        ONE_OF_EACH,
        outputs={
            "place": str,
            "places": list[str],
            "days": dict,
            "ranges": list[dict],
            "both": dict,
        },
    )
    assert await calls.run(task) == {
        "place": "POINT(1 2)",
        "places": ["POINT(1 2)"],
        "days": {"start": "2024-02-29", "end": None},
        "ranges": [{"start": "2024-02-29", "end": "2024-03-01"}],
        "both": {"place": "POINT(1 2)", "days": {"start": "2024-02-29", "end": "2024-03-01"}},
    }


def test_an_interval_within_a_struct_is_text() -> None:
    """JSON has no durations."""
    value = {"pause": relativedelta(hours=36), "n": decimal.Decimal("1.5")}
    assert converted(value, "STRUCT") == {"pause": "0-0 1 12:0:0", "n": "1.5"}


@pytest.mark.parametrize("over", ["storage", "rest"])
@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame, pyarrow.Table])
async def test_frames_hold_every_type(calls: Calls, library: Any, over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each library, over either API."""
    if over == "rest":
        monkeypatch.setattr(tables, "_storage_client", lambda _credentials: None)
    results = (await calls.run(calls.query(ONE_OF_EACH, frame=True)))["results"]
    frame = results.open(library).all_sync()
    assert isinstance(frame, library)
    assert list(frame.column_names if library is pyarrow.Table else frame.columns) == [
        *("place", "places", "pause", "days", "ranges", "both", "deep")
    ]
    if library is pyarrow.Table:
        (row,) = frame.to_pylist()
        if over == "rest":  # the emulator's Storage API has other names for the two
            day = datetime.date(2024, 2, 29)
            assert row["days"] == {"start": day, "end": None}
            assert row["ranges"] == [{"start": day, "end": day + datetime.timedelta(days=1)}]
            assert row["deep"] == [{"x": row["ranges"]}]


async def test_inputs_may_go_by_position(calls: Calls) -> None:
    """A `?` for each input, in the order of the task."""
    task = calls.query(
        "SELECT ? || ? AS text, ? AS n",
        inputs={"b": str, "a": str, "n": int},
        outputs={"text": str, "n": int},
        parameter_mode="POSITIONAL",
    )
    assert await calls.run(task, {"a": "a", "n": 1, "b": "b"}) == {"text": "ba", "n": 1}


def _total(interval: relativedelta) -> tuple[int, datetime.timedelta]:
    """The parts of an INTERVAL that BigQuery keeps apart; days and hours may be either's."""
    months = 12 * interval.years + interval.months
    return months, as_timedelta(interval + relativedelta(years=-interval.years, months=-interval.months))


def _read(text: str) -> Any:
    """An INTERVAL as the vendor's client reads it."""
    return CELL_DATA_PARSER.interval_to_py(text, SchemaField("x", "INTERVAL"))
