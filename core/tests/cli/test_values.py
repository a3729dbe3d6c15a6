"""Values on the command line."""

# Both spellings of optional types are tested on purpose.
# ruff: noqa: UP007, UP045

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import types
from typing import (
    Annotated,
    Any,
    Literal,
    Optional,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import pydantic
import pytest
from flyte_connectors import DataFrame, Dir, File
from flyte_connectors.cli.values import parse_value, printable
from flyte_connectors.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Number(enum.Enum):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Place(pydantic.BaseModel):
    name: str
    at: Point


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
        (Annotated[bool, "a note"], "false", False),
        (Annotated[Optional[int], "a note"], "3", 3),
        (Literal["fast", "slow"], "fast", "fast"),
        (Literal[1, "2", True], "1", 1),
        (Literal[1, "2", True], "2", "2"),
        (Optional[Literal["fast"]], "fast", "fast"),
        (list[Literal["fast"]], '["fast"]', ["fast"]),
        (Number, "1", Number.ONE),
        (list[Size], '["SMALL", "l"]', [Size.SMALL, Size.LARGE]),
        (dict[str, Size], '{"a": "SMALL"}', {"a": Size.SMALL}),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (
            dt.datetime,
            "2026-01-02T03:04:05Z",
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        ),
        (dt.timedelta, "1:02:03", dt.timedelta(hours=1, minutes=2, seconds=3)),
        (dt.timedelta, "-1 day, 23:59:59", dt.timedelta(seconds=-1)),
        (dt.timedelta, "PT1H30M", dt.timedelta(minutes=90)),
        (list[dt.timedelta], '[1.5, "PT2S"]', [dt.timedelta(seconds=1.5), dt.timedelta(seconds=2)]),
        (decimal.Decimal, "0.10", decimal.Decimal("0.10")),
        (bytes, "as text", b"as text"),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (list[Point], '[{"x": 1, "y": 2}]', [Point(1, 2.0)]),
        (Optional[Point], '{"x": 1}', Point(1)),
        (Place, '{"name": "a", "at": {"x": 1}}', Place(name="a", at=Point(1))),
        (dict[str, Any], '{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
    ],
)
def test_text_means_a_value_of_the_declared_type(python_type: Any, text: str, value: Any) -> None:
    """Of exactly that type."""
    parsed = parse_value("a", python_type, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("python_type", [File, Dir, DataFrame])
def test_a_reference_is_given_by_path_or_uri(python_type: Any) -> None:
    """A local path is made absolute: a job runs in another directory."""

    def place(value: Any) -> Any:
        return value.uri if python_type is DataFrame else value.path

    assert place(parse_value("a", python_type, "s3://bucket/key")) == "s3://bucket/key"
    assert place(parse_value("a", python_type, "7")) == str(pathlib.Path("7").absolute())
    (listed,) = parse_value("a", list[python_type], '["gs://bucket/key"]')
    assert (type(listed), place(listed)) == (python_type, "gs://bucket/key")


@pytest.mark.parametrize(
    ("python_type", "text", "shown"),
    [
        (int, "3.5", "int"),
        (int, "", "int"),
        (float, "much", "float"),
        (bool, "maybe", "bool"),
        (Size, "MEDIUM", "Size"),
        (list[int], "[1", "list"),
        (dt.datetime, "tomorrow", "datetime"),
        (int | None, "x", "int"),
    ],
)
def test_other_text_is_named(python_type: Any, text: str, shown: str) -> None:
    """With the input, what was expected and what came."""
    with pytest.raises(InvalidRequestError, match=rf"^inputs\.a: expected .*{shown}") as caught:
        parse_value("a", python_type, text)
    assert repr(text) in caught.value.message


@pytest.mark.parametrize(
    ("python_type", "text", "message"),
    [
        (Point, '{"z": 1}', "inputs.a: Point has no field 'z'; it has x, y"),
        (Point, "{}", "inputs.a: the field 'x' of Point is missing"),
        (Point, '{"x": "1"}', "inputs.a.x: expected int, got '1' (str)"),
        (
            list[Point],
            '[{"x": 1}, {"x": 2, "y": "z"}]',
            "inputs.a[1].y: expected float, got 'z' (str)",
        ),
        (
            dict[str, list[int]],
            '{"b": [1, true]}',
            "inputs.a['b'][1]: expected int, got True (bool)",
        ),
        (Optional[Point], '{"x": 1.5}', "inputs.a.x: expected int, got 1.5 (float)"),
        (
            Annotated[Point, "a note"],
            '{"x": null}',
            "inputs.a.x: expected int, got None (NoneType)",
        ),
        (
            Place,
            '{"name": "a", "at": {"x": "b"}}',
            "inputs.a.at.x: Input should be a valid integer",
        ),
        (Place, '{"name": "a"}', "inputs.a.at: Field required"),
        (list[bool], "[0]", "inputs.a[0]: expected bool, got 0 (int)"),
        (list[Size], '["XL"]', "inputs.a[0]: expected Size (one of SMALL, LARGE), got 'XL' (str)"),
        (Size, "XL", "inputs.a: expected Size (one of SMALL, LARGE), got 'XL'"),
        (Literal["a", "b"], "c", "inputs.a: expected one of a, b, got 'c'"),
        (Optional[int], "c", "inputs.a: expected int or None, got 'c'"),
        (list[int], "3", "inputs.a: expected list[int], got 3 (int)"),
        (list[File], "a.txt", "inputs.a: expected list[File] as JSON, got 'a.txt'"),
        (
            list[int],
            "[1",
            "inputs.a: expected list[int] as JSON, got '[1': Expecting ',' delimiter",
        ),
        (tuple[int, str], "[1]", "inputs.a: expected 2 items for tuple[int, str], got 1"),
    ],
)
def test_the_part_that_is_wrong_is_named(python_type: Any, text: str, message: str) -> None:
    """With the way to it, its value and the type that was expected."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_value("a", python_type, text)
    assert caught.value.message.startswith(message)


def _is_a(python_type: Any, value: Any) -> bool:  # noqa: PLR0911
    """Whether a value is one of a type, asked independently of the code under test."""
    origin, arguments = get_origin(python_type), get_args(python_type)
    if python_type is Any:
        return True
    if origin is Annotated:
        return _is_a(arguments[0], value)
    if origin in (Union, types.UnionType):
        return any(_is_a(variant, value) for variant in arguments)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is list:
        return type(value) is list and all(_is_a(arguments[0], item) for item in value)
    if origin is tuple:
        return type(value) is tuple and all(map(_is_a, arguments, value))
    if origin is dict:
        return type(value) is dict and all(
            _is_a(arguments[0], key) and _is_a(arguments[1], item) for key, item in value.items()
        )
    if type(value) is not python_type:
        return False
    if dataclasses.is_dataclass(python_type):
        hints = get_type_hints(python_type)
        return all(_is_a(hints[name], part) for name, part in vars(value).items())
    return True


SCALAR_TYPES = (
    int, float, str, bool, bytes, type(None), dt.date, dt.datetime, dt.time, dt.timedelta,
    decimal.Decimal, Size, Number, Point, Literal["a", "1"], Literal[1, "2"],
)  # fmt: skip
TYPES = st.recursive(
    st.sampled_from(SCALAR_TYPES),
    lambda inner: (
        inner.map(lambda t: list[t])
        | inner.map(lambda t: dict[str, t])
        | inner.map(lambda t: Annotated[t, "a note"])
        | inner.map(Optional.__getitem__)
        | st.tuples(inner, inner).map(lambda pair: Union[pair])
        | st.tuples(inner, inner).map(lambda pair: tuple[pair])
    ),
    max_leaves=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "1", "l", "ONE"]),
    lambda i: (
        st.lists(i, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y", "z"]), i)
        | st.fixed_dictionaries({"x": st.integers()})
    ),
    max_leaves=6,
)
TEXTS = (
    JSON.map(json.dumps)
    | TEXT
    | st.sampled_from(["true", "0", "none", "SMALL", "s", "1", "2026-01-02", "1:02:03", "1e999", "nan"])
)


@given(TYPES, TEXTS)
def test_what_is_accepted_is_a_value_of_the_type(python_type: Any, text: str) -> None:
    """Whatever the type and the text; other texts are refused, with the one error for that."""
    with contextlib.suppress(InvalidRequestError):
        value = parse_value("a", python_type, text)
        assert _is_a(python_type, value), value


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
        lambda inner: st.lists(inner) | st.dictionaries(TEXT | st.integers(), inner) | st.tuples(inner),
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
        (Place(name="a", at=Point(1)), {"name": "a", "at": {"x": 1, "y": 0.0}}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(seconds=90), "0:01:30"),
        (math.nan, "nan"),
    ],
)
def test_other_values_are_printed_as_people_write_them(value: Any, shown: Any) -> None:
    """Names, fields, ISO dates."""
    assert printable(value) == shown
