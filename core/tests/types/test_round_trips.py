"""What is written is read back equal, on the task side and where only the Flyte type is known."""

# All spellings of types and moments are tested on purpose.
# ruff: noqa: B905, DTZ001, UP007, UP045

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import math
import pathlib
import uuid
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import pytest
from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types import (
    codec_for_literal_type,
    codec_for_type,
    for_type,
    record_schema,
)
from flyteidl2.core.literals_pb2 import Literal as LiteralMessage
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import NotRequired, TypedDict

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    number: int
    text: str | None


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Job:
    name: str
    at: dt.datetime
    color: Color
    where: Point
    pair: Pair
    options: Options
    script: File
    parts: tuple[int, ...]
    ids: set[int]
    ratio: fractions.Fraction
    table: DataFrame | None = None
    mode: Literal["fast", "slow"] = "fast"


def passed(python_type: Any, value: Any) -> Any:
    """Returns a value after a trip over the wire, as bytes."""
    codec = codec_for_type(python_type)
    literal = LiteralMessage.FromString(codec.encode(value).SerializeToString())
    return codec.decode(literal)


@given(INTEGERS, st.floats(), TEXT, st.booleans(), st.binary())
def test_simple_values_come_back(integer: int, number: float, text: str, flag: bool, data: bytes) -> None:
    """Every 64-bit integer, every float (NaN and infinities too), all text, all bytes."""
    assert passed(int, integer) == integer
    back = passed(float, number)
    assert back == number or (math.isnan(back) and math.isnan(number))
    assert passed(str, text) == text
    assert passed(bool, flag) is flag
    assert passed(bytes, data) == data
    assert passed(type(None), None) is None


@given(st.datetimes(timezones=st.timezones()), st.dates(), st.timedeltas())
def test_moments_days_and_durations_come_back(moment: dt.datetime, day: dt.date, duration: dt.timedelta) -> None:
    """To the microsecond; moments in UTC."""
    try:
        in_utc = moment.astimezone(dt.timezone.utc)
    except OverflowError:
        return
    assert passed(dt.datetime, moment) == in_utc
    assert passed(dt.datetime, moment).tzinfo is dt.timezone.utc
    assert passed(dt.date, day) == day
    assert passed(dt.timedelta, duration) == duration


def test_a_moment_without_time_zone_counts_as_utc() -> None:
    """As in the official SDK."""
    naive = dt.datetime(2024, 5, 1, 12)
    assert passed(dt.datetime, naive) == naive.replace(tzinfo=dt.timezone.utc)


OFFSETS = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)


@given(st.decimals(allow_nan=False), st.uuids(), st.times(timezones=st.none() | OFFSETS))
def test_types_with_a_text_form_travel_as_text(number: decimal.Decimal, key: uuid.UUID, clock: dt.time) -> None:
    """The official SDK pickles these; a service that knows only the Flyte type reads the text."""
    assert passed(decimal.Decimal, number) == number
    assert passed(uuid.UUID, key) == key
    assert passed(dt.time, clock) == clock
    codec = codec_for_type(dt.time)
    text = codec_for_literal_type(codec.literal_type).decode(codec.encode(clock))
    assert text == clock.isoformat()
    assert passed(pathlib.Path, pathlib.Path("/a/b")) == pathlib.Path("/a/b")


@given(st.dictionaries(TEXT, PLAIN))
def test_an_untyped_dict_comes_back(value: dict[str, Any]) -> None:
    """With whatever msgpack knows inside."""
    assert passed(dict, value) == value


@given(st.lists(st.none() | st.builds(Point, INTEGERS, st.floats(allow_nan=False))), TEXT)
def test_typed_containers_come_back(points: list[Point | None], key: str) -> None:
    """Each item by its declared type."""
    python_type = dict[str, list[Point | None]]
    assert passed(python_type, {key: points}) == {key: points}


@pytest.mark.parametrize(
    ("python_type", "value"),
    [
        (tuple[int, ...], (1, 2)),
        (set[str], {"a", "b"}),
        (frozenset[int], frozenset({1})),
        (tuple[int, str, Point | None], (1, "a", Point(2))),
        (Pair, Pair(1, None)),
        (Options, {"depth": 1}),
        (Options, {"depth": 1, "name": "x"}),
        (dict[int, str], {1: "a"}),
        (Color, Color.BLUE),
        (Literal["a", "b"], "b"),
        (Union[int, str, Point], Point(1)),
        (int | None, None),
        (Tree, Tree(1, [Tree(2, [Tree(3)])])),
        (Annotated[int, "a note"], 5),
        (File, File(path="s3://b/x", format="csv", hash="h")),
        (Dir, Dir(path="s3://b/x")),
        (DataFrame, DataFrame(uri="bq://p.d.t", columns={"a": int, "b": list[float]})),
    ],
)
def test_other_types_come_back(python_type: Any, value: Any) -> None:
    """Of the declared type, not merely equal."""
    back = passed(python_type, value)
    assert back == value
    assert type(back) is type(value)


JOB = Job(
    name="train",
    at=dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone.utc),
    color=Color.BLUE,
    where=Point(1, 2.0),
    pair=Pair(1, None),
    options={"depth": 3},
    script=File(path="s3://b/train.py"),
    parts=(1, 2),
    ids={3},
    ratio=fractions.Fraction(1, 3),
    table=DataFrame(uri="s3://b/t", format="parquet"),
)


def test_a_dataclass_comes_back_with_all_kinds_of_fields() -> None:
    """Also those that only mashumaro knows, such as fractions."""
    assert passed(Job, JOB) == JOB


def test_a_service_reads_a_dataclass_whose_class_it_lacks() -> None:
    """Rebuilt from the schema: attributes, nesting, references; dates and enums stay text."""
    codec = codec_for_type(Job)
    read = codec_for_literal_type(codec.literal_type).decode(codec.encode(JOB))
    assert (read.name, read.color, read.where.y) == ("train", "blue", 2.0)
    assert read.at == "2024-05-01T12:00:00+00:00"
    assert read.script == File(path="s3://b/train.py")
    assert read.mode == "fast"


@pytest.mark.parametrize("schema", ["with the schema", "without the schema"])
@pytest.mark.parametrize(
    ("python_type", "value", "same"),
    [
        (Job, JOB, JOB),
        (Point, Point(1, 2.0), {"x": 1, "y": 2.0}),
        (Pair, Pair(1, "a"), Pair(1, "a")),
        (Pair, Pair(1, "a"), {"number": 1, "text": "a"}),
        (tuple[int, Point], (1, Point(2)), (1, Point(2))),
        (Options, {"depth": 1, "name": "x"}, {"depth": 1, "name": "x"}),
        (dict, {"a": [1]}, {"a": [1]}),
        (list[Point], [Point(1)], [{"x": 1, "y": 0.0}]),
        (Optional[Point], Point(1), Point(1)),
    ],
)
def test_a_service_writes_what_the_task_side_reads(python_type: Any, value: Any, same: Any, schema: str) -> None:
    """From the author's own class or from a dict, even if the schema was dropped on the way."""
    codec = codec_for_type(python_type)
    literal_type = type(codec.literal_type)()
    literal_type.CopyFrom(codec.literal_type)
    if schema == "without the schema":
        drop_schemas(literal_type)
    written = codec_for_literal_type(literal_type).encode(same)
    assert codec.decode(written) == value


@pytest.mark.parametrize(
    ("python_type", "value"),
    [
        (tuple[int, Point | None, File], (1, Point(2), File(path="s3://b/x"))),
        (Pair, Pair(1, None)),
        (Options, {"depth": 1}),
        (Options, {"depth": 1, "name": "x"}),
    ],
)
def test_tuples_and_typed_dicts_need_no_pydantic(python_type: Any, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, a service that knows only the Flyte type still reads and writes them."""
    monkeypatch.setattr(record_schema, "_has_pydantic", lambda: False)
    codec = for_type._build(python_type)
    service = codec_for_literal_type(codec.literal_type)
    again = service.encode(service.decode(codec.encode(value)))
    assert codec.decode(again) == codec.decode(codec.encode(value)) == value


def drop_schemas(literal_type: Any) -> None:
    """Removes what a compact envelope leaves out of a type."""
    literal_type.ClearField("metadata")
    if literal_type.HasField("collection_type"):
        drop_schemas(literal_type.collection_type)
    for variant in literal_type.union_type.variants:
        drop_schemas(variant)


def test_equal_unions_keep_their_own_order() -> None:
    """``int | str == str | int`` in Python, but the order is part of Flyte's type."""
    first = codec_for_type(Union[int, str]).literal_type
    second = codec_for_type(Union[str, int]).literal_type
    assert [v.structure.tag for v in first.union_type.variants] == ["int", "str"]
    assert [v.structure.tag for v in second.union_type.variants] == ["str", "int"]


def test_codecs_are_built_once() -> None:
    """The hot path only looks them up."""
    assert codec_for_type(list[int]) is codec_for_type(list[int])
    literal_type = codec_for_type(Job).literal_type
    assert codec_for_literal_type(literal_type) is codec_for_literal_type(literal_type)


def test_a_plain_value_is_read_where_a_union_is_declared() -> None:
    """A console or another SDK may leave the union out."""
    assert codec_for_type(Optional[int]).decode(codec_for_type(int).encode(3)) == 3


def test_an_integer_written_as_a_float_is_read() -> None:
    """A browser's form writes 3 as 3.0; a fraction stays an error."""
    assert codec_for_type(int).decode(codec_for_type(float).encode(3.0)) == 3
    with pytest.raises(ValueError, match=r"expected int, got 3\.5"):
        codec_for_type(int).decode(codec_for_type(float).encode(3.5))


@dataclasses.dataclass
class Fields:
    number: int
    share: float
    text: str
    flag: bool
    items: list[int]
    at: dt.datetime
    took: dt.timedelta


def test_a_field_of_a_struct_is_read_by_its_own_type() -> None:
    """Flyte's back end hands over ``job.items`` as msgpack cut out of the struct."""
    import msgpack

    at = dt.datetime(2024, 5, 1, tzinfo=dt.timezone.utc)
    value = Fields(1, 2.5, "x", True, [1], at, dt.timedelta(seconds=3))
    plain = msgpack.unpackb(codec_for_type(Fields).encode(value).scalar.binary.value)
    for field in dataclasses.fields(Fields):
        literal = LiteralMessage()
        literal.scalar.binary.tag = "msgpack"
        literal.scalar.binary.value = msgpack.packb(plain[field.name])
        hint = {f.name: t for f, t in zip(dataclasses.fields(Fields), TYPES)}[field.name]
        assert codec_for_type(hint).decode(literal) == getattr(value, field.name)


TYPES = [int, float, str, bool, list[int], dt.datetime, dt.timedelta]


def test_a_struct_typed_into_a_form_is_read() -> None:
    """A console sends ``google.protobuf.Struct``, in which all numbers are doubles."""
    literal = LiteralMessage()
    literal.scalar.generic.update({"x": 1, "y": 2.5})
    assert codec_for_type(Point).decode(literal) == Point(1, 2.5)
