"""Values on the command line."""

# Both spellings of optional types are tested on purpose.
# ruff: noqa: UP045

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
from typing import Any, Optional

import pytest
from flyte_connectors import File
from flyte_connectors.cli.values import parse_value, printable
from flyte_connectors.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@pytest.mark.parametrize(
    ("python_type", "text", "value"),
    [
        (str, " as it is ", " as it is "),
        (int, "-3", -3),
        (float, "1e-3", 0.001),
        (bool, "Yes", True),
        (bool, "off", False),
        (dt.date, "2026-01-02", dt.date(2026, 1, 2)),
        (
            dt.datetime,
            "2026-01-02T03:04:05+00:00",
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        ),
        (dt.timedelta, "90", dt.timedelta(seconds=90)),
        (Size, "SMALL", Size.SMALL),
        (Size, "l", Size.LARGE),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Point, '{"x": 1}', Point(1)),
        (Optional[int], "none", None),
        (Optional[int], "3", 3),
        (int | str, "3", 3),
        (int | str, "three", "three"),
        (Optional[str], "text", "text"),
    ],
)
def test_text_means_a_value_of_the_declared_type(python_type: Any, text: str, value: Any) -> None:
    """Of exactly that type."""
    parsed = parse_value("a", python_type, text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_path_is_a_file() -> None:
    """As in Python."""
    parsed = parse_value("a", File, "s3://bucket/key")
    assert isinstance(parsed, File)
    assert parsed.path == "s3://bucket/key"


@pytest.mark.parametrize(
    ("python_type", "text", "shown"),
    [
        (int, "3.5", "int"),
        (int, "", "int"),
        (float, "much", "float"),
        (bool, "maybe", "bool"),
        (Size, "MEDIUM", "Size"),
        (list[int], "[1", "list"),
        (Point, '{"z": 1}', "Point"),
        (dt.datetime, "tomorrow", "datetime"),
        (int | None, "x", "int"),
    ],
)
def test_other_text_is_named(python_type: Any, text: str, shown: str) -> None:
    """With the input, what was expected and what came."""
    with pytest.raises(InvalidRequestError, match=rf"^inputs\.a: expected .*{shown}") as caught:
        parse_value("a", python_type, text)
    assert repr(text) in caught.value.message


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | TEXT
        | st.binary()
        | st.datetimes()
        | st.dates()
        | st.timedeltas()
        | st.sampled_from(Size)
        | st.builds(Point, st.integers()),
        lambda inner: (
            st.lists(inner) | st.dictionaries(TEXT | st.integers(), inner) | st.tuples(inner)
        ),
        max_leaves=10,
    )
)
def test_everything_can_be_printed_as_json(value: Any) -> None:
    """Strict JSON, whatever a task returns."""
    json.dumps(printable(value), allow_nan=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda i: st.lists(i) | st.dictionaries(TEXT, i),
    )
)
def test_json_is_printed_as_it_is(value: Any) -> None:
    """Programs read back what the task returned."""
    assert printable(value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Size.SMALL, "SMALL"),
        (Point(1, math.inf), {"x": 1, "y": "inf"}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(seconds=90), "0:01:30"),
        (math.nan, "nan"),
    ],
)
def test_other_values_are_printed_as_people_write_them(value: Any, shown: Any) -> None:
    """Names, fields, ISO dates."""
    assert printable(value) == shown
