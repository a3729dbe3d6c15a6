"""Parameter types and values, held against the vendor's own and against the wire."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import math
from typing import Any

import pytest
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.types import codec_for_literal_type, codec_for_type
from flyte_connectors_bigquery.values.parameters import query_parameter
from flyte_connectors_bigquery.values.types import (
    SCALARS,
    ParameterTypeError,
    from_literal_type,
    from_python,
    from_sql,
)
from flyteidl2.core.literals_pb2 import Literal
from google.cloud import bigquery
from hypothesis import given
from hypothesis import strategies as st

UTC = datetime.timezone.utc
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**28), max_value=10**28, places=9)
VALUES: dict[str, tuple[type, st.SearchStrategy[Any]]] = {
    "BOOL": (bool, st.booleans()),
    "INT64": (int, st.integers(-(2**63), 2**63 - 1)),
    "FLOAT64": (float, st.floats(allow_nan=False)),
    "NUMERIC": (decimal.Decimal, NUMBERS),
    "STRING": (str, st.text(st.characters(codec="utf-8"))),
    "BYTES": (bytes, st.binary()),
    "DATE": (datetime.date, st.dates()),
    "TIME": (datetime.time, st.times()),
    "TIMESTAMP": (datetime.datetime, st.datetimes(timezones=st.timezones())),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_scalars_mean_what_the_vendors_own_parameters_mean(kind: str, data: st.DataObject) -> None:
    """The parameter read back by the vendor's library is the value that went in."""
    python_type, values = VALUES[kind]
    value = data.draw(_representable(values))
    assert from_python(python_type) == {"type": kind}
    read = bigquery.ScalarQueryParameter.from_api_repr(query_parameter("x", {"type": kind}, value))
    assert read.type_ == kind
    if isinstance(value, datetime.datetime):
        value = value.astimezone(UTC)  # moments that a clock skips or repeats equal no other
    assert _value(kind, read.value) == value


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_the_wire_changes_no_parameter(kind: str, data: st.DataObject) -> None:
    """A value that travelled as a Flyte literal makes the same parameter as one that did not."""
    python_type, values = VALUES[kind]
    value = data.draw(_representable(values))
    literal = codec_for_type(python_type).encode(value)
    travelled = codec_for_literal_type(codec_for_type(python_type).literal_type).decode(
        Literal.FromString(literal.SerializeToString())
    )
    assert query_parameter("x", {"type": kind}, travelled) == query_parameter("x", {"type": kind}, value)


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (1e300, "1e+300")],
)
def test_numbers_that_are_none_have_names(number: float, text: str) -> None:
    """BigQuery's words for what JSON has no numbers for."""
    parameter = query_parameter("x", {"type": "FLOAT64"}, number)
    assert parameter["parameterValue"] == {"value": text}


@pytest.mark.parametrize("kind", [*SCALARS, "STRUCT<a INT64>"])
def test_null_has_its_type(kind: str) -> None:
    """NULL is a value of every type, and BigQuery is told which."""
    parameter = query_parameter("x", from_sql(kind), None)
    assert parameter["parameterValue"] == {"value": None}
    assert parameter["parameterType"]["type"] == kind.partition("<")[0]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("BOOL", 1),
        ("INT64", True),
        ("INT64", 1.0),
        ("INT64", 2**63),
        ("FLOAT64", "1"),
        ("NUMERIC", 0.1),
        ("NUMERIC", decimal.Decimal("NaN")),
        ("STRING", b"x"),
        ("BYTES", "x"),
        ("DATETIME", datetime.date(2024, 1, 1)),
        ("TIME", datetime.time(tzinfo=UTC)),
        ("JSON", {"x": math.nan}),
        ("JSON", {1, 2}),
    ],
)
def test_values_of_another_type_are_refused(kind: str, wrong: Any) -> None:
    """Nothing is converted that could mean something else."""
    with pytest.raises(InvalidRequestError, match=f"inputs.x: expected {kind}, got"):
        query_parameter("x", {"type": kind}, wrong)


def test_types_are_written_as_in_sql() -> None:
    """A type's text and a Python type that means the same give the same parameter type."""

    @dataclasses.dataclass
    class Line:
        day: datetime.date
        prices: list[decimal.Decimal]

    Line.__annotations__ = {"day": datetime.date, "prices": list[decimal.Decimal]}
    text = "array< struct<day DATE, prices ARRAY<numeric>> >"
    assert from_sql(text) == from_python(list[Line])


@given(st.text("ARYSTUC<>,INT64 x", max_size=30))
def test_text_that_is_no_type_is_refused(text: str) -> None:
    """Whatever is written there, it is a type or a `ParameterTypeError`."""
    with contextlib.suppress(ParameterTypeError):
        assert from_sql(text)["type"] in {*SCALARS, "ARRAY", "STRUCT"}


@pytest.mark.parametrize(
    ("python_type", "kind"),
    [
        (int, {"type": "INT64"}),
        (datetime.datetime, {"type": "DATETIME"}),  # as the official connector sends it
        (list[str], {"type": "ARRAY", "arrayType": {"type": "STRING"}}),
        (float | None, {"type": "FLOAT64"}),
        (dict, {"type": "JSON"}),
    ],
)
def test_tasks_without_declared_types_go_by_their_interface(python_type: Any, kind: dict[str, Any]) -> None:
    """A task of the official SDK tells no BigQuery types; Flyte's have to do."""
    assert from_literal_type(codec_for_type(python_type).literal_type) == kind


def _representable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Without the moments that UTC's years 1 to 9999 do not hold."""
    return values.filter(lambda value: not isinstance(value, datetime.datetime) or 2 <= value.year <= 9998)


def _value(kind: str, read: Any) -> Any:
    """What the vendor's library made of a parameter, TIMESTAMP aside, which it leaves as text."""
    return datetime.datetime.fromisoformat(read) if kind == "TIMESTAMP" and isinstance(read, str) else read
