"""What does not fit its declared type is refused in one line that says what was expected."""

# All spellings of types and moments are tested on purpose.
# ruff: noqa: DTZ001, UP007, UP045

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
from typing import Any, Literal, NamedTuple, Optional, Union

import pytest
from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types import ConversionError, codec_for_literal_type, codec_for_type
from flyteidl2.core.types_pb2 import LiteralType, SimpleType
from typing_extensions import TypedDict


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float | None = None


@dataclasses.dataclass
class Path:
    points: list[Point]
    color: Color = Color.RED


class Pair(NamedTuple):
    number: int
    text: str


class Options(TypedDict):
    depth: int


REFUSED = [
    (int, 3.5, "expected int, got 3.5 (float)"),
    (int, 3.0, "expected int, got 3.0 (float)"),
    (int, True, "expected int, got True (bool)"),
    (int, "3", "expected int, got '3' (str)"),
    (int, None, "expected int, got None (NoneType)"),
    (int, 2**70, "1180591620717411303424 does not fit into a 64-bit integer"),
    (int, -(2**63) - 1, "-9223372036854775809 does not fit into a 64-bit integer"),
    (float, "1", "expected float, got '1' (str)"),
    (float, False, "expected float, got False (bool)"),
    (float, 10**400, "does not fit into a 64-bit float"),
    (bool, 1, "expected bool, got 1 (int)"),
    (str, b"x", "expected str, got b'x' (bytes)"),
    (str, "\ud800", "is not valid Unicode text"),
    (bytes, "x", "expected bytes, got 'x' (str)"),
    (dt.date, dt.datetime(2020, 1, 1), "expected date, got"),
    (dt.datetime, dt.date(2020, 1, 1), "expected datetime, got"),
    (
        dt.datetime,
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1))),
        "lies outside the years 1 to 9999",
    ),
    (decimal.Decimal, 1.5, "expected Decimal, got 1.5 (float)"),
    (dt.time, "01:02", "expected time, got '01:02' (str)"),
    (list[int], (1, 2), "expected list[int], got (1, 2) (tuple)"),
    (list[int], [1, "x"], "[1]: expected int, got 'x' (str)"),
    (dict[str, list[int]], {"a": [1, 2.5]}, "['a'][1]: expected int, got 2.5 (float)"),
    (dict[str, int], {1: 1}, "expected str keys, got 1 (int)"),
    (Optional[int], "x", "expected int or None, got 'x' (str)"),
    (Union[list[int], list[str]], [], "fits list[int] and list[str], so it is ambiguous"),
    (Color, "GREEN", "expected Color (one of RED, BLUE), got 'GREEN' (str)"),
    (Color, 1, "expected Color (one of RED, BLUE), got 1 (int)"),
    (Literal["a", "b"], "c", "expected one of 'a', 'b', got 'c' (str)"),
    (Point, {"x": 1, "z": 2}, "Point has no field 'z'; it has x, y"),
    (Point, {"y": 2.0}, "the field 'x' of Point is missing"),
    (Point, Point(x="1"), ".x: expected int, got '1' (str)"),  # type: ignore[arg-type]
    (Point, 7, "expected Point, got 7 (int)"),
    (Path, Path([Point(1), Point(2.5)]), ".points[1].x: expected int, got 2.5 (float)"),  # type: ignore[arg-type]
    (list[Path], [Path([], "RED")], "[0].color: expected Color, got 'RED' (str)"),  # type: ignore[list-item,arg-type]
    (Pair, (1,), "expected 2 items for Pair, got 1"),
    (tuple[int, str], (1, 2), ".item_1: expected str, got 2 (int)"),
    (Options, {"deep": 1}, "Options has no field 'deep'; it has depth"),
    (Options, {}, "the field 'depth' of Options is missing"),
    (dict, {"a": object()}, "has no form in msgpack"),
    (File, "s3://b/x", "expected File, got 's3://b/x' (str)"),
    (File, File(path="/no/such/file"), "the file /no/such/file does not exist"),
    (Dir, Dir(path="/no/such/folder"), "the folder /no/such/folder does not exist"),
    (DataFrame, DataFrame(), "the DataFrame has no uri"),
]


@pytest.mark.parametrize(("python_type", "value", "text"), REFUSED)
def test_a_value_of_another_type_is_refused(python_type: Any, value: Any, text: str) -> None:
    """The text names what was expected, what came, and where inside the value."""
    with pytest.raises(ConversionError) as caught:
        codec_for_type(python_type).encode(value)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


UNSUPPORTED = [
    (Any, "declare a concrete type, or dict for free-form data"),
    (list, "say what it holds, such as list[int]"),
    (tuple, "say what it holds, such as tuple[int]"),
    (object, "can't be carried by Flyte without pickle"),
    (complex, "can't be carried by Flyte without pickle"),
    (list[Any], "declare a concrete type"),
    (Literal[1, 2], "only text can be chosen from"),
    (Permission, "is a Flag, whose combinations have no name"),
]


@pytest.mark.parametrize(("python_type", "text"), UNSUPPORTED)
def test_a_type_without_a_safe_form_is_refused(python_type: Any, text: str) -> None:
    """The official SDK would pickle most of these; here the text names the way out."""
    with pytest.raises(ConversionError) as caught:
        codec_for_type(python_type)
    assert text in str(caught.value)


def test_a_dataclass_with_a_name_that_does_not_exist_is_refused() -> None:
    """The text names the class and the missing name."""

    @dataclasses.dataclass
    class Broken:
        field: NoSuchType  # noqa: F821 # type: ignore[name-defined]

    with pytest.raises(ConversionError, match="Broken names a type that its module does not"):
        codec_for_type(Broken).encode(Broken(1))


def test_a_field_of_several_json_types_takes_any_value() -> None:
    """JSON Schema lets a field have a list of types; Python has no single one for it."""
    declared = LiteralType(simple=SimpleType.STRUCT)
    field = {"type": ["string", "null"]}
    schema = {"type": "object", "title": "Row", "properties": {"a": field}, "required": ["a"]}
    declared.metadata.update(schema)
    codec = codec_for_literal_type(declared)
    for value in ("text", None):
        assert codec.decode(codec.encode({"a": value})).a == value


def test_data_nested_too_deep_for_msgpack_is_refused() -> None:
    """Not a RecursionError, and on the way back neither."""
    deep: Any = {}
    for _ in range(3000):
        deep = {"a": deep}
    with pytest.raises(ConversionError, match="has no form in msgpack"):
        codec_for_type(dict).encode(deep)


def test_a_long_value_is_shortened_in_the_text() -> None:
    """A hundred megabytes of text must not travel again inside an error."""
    with pytest.raises(ConversionError) as caught:
        codec_for_type(int).encode("x" * 1_000_000)
    assert len(str(caught.value)) < 120


def test_a_large_text_travels_unchanged() -> None:
    """Size is the transport's matter."""
    text = "ä" * 10_000_000
    codec = codec_for_type(str)
    assert codec.decode(codec.encode(text)) == text
