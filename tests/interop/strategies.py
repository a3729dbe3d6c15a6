"""Random types that Flyte can carry, and values of them (hypothesis strategies).

No ``from __future__ import annotations`` here: the official SDK can't declare a named tuple whose
annotations are text.
"""

# All spellings of types and moments are tested on purpose.
# ruff: noqa: DTZ001, UP045

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import typing
import uuid
from typing import Any, Literal, NamedTuple, Optional, Union

from hypothesis import strategies as st
from typing_extensions import NotRequired, TypedDict


class Color(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark blue"


class Level(enum.IntEnum):
    """How loud."""

    LOW = 1
    HIGH = 20


@dataclasses.dataclass
class Point:
    """A place."""

    x: int
    y: float = 0.5
    label: str | None = None


@dataclasses.dataclass
class Order:
    number: int
    price: float
    open: bool
    when: dt.datetime
    day: dt.date
    took: dt.timedelta
    color: Color
    level: Level
    amount: decimal.Decimal
    key: uuid.UUID
    folder: pathlib.Path
    raw: bytes
    speed: Literal["slow", "fast"]
    where: Point
    maybe: Point | None
    route: list[Point]
    named: dict[str, Point]
    counts: dict[int, str]
    pair: tuple[int, str]
    either: int | str
    anything: dict
    tags: list[str] = dataclasses.field(default_factory=list)
    note: str = "none"


class Row(NamedTuple):
    number: int
    ratio: float
    name: str | None
    color: Color
    colors: list[Color]
    when: dt.datetime
    took: dt.timedelta
    where: Point
    route: list[Point]
    by_name: dict[str, int]
    by_number: dict[int, str]
    pair: tuple[int, str]


class Inner(TypedDict):
    level: Level
    note: NotRequired[str]


class Record(TypedDict):
    number: int
    inner: Inner
    inners: list[Inner]
    maybe: NotRequired[float]
    point: Point
    both: int | str


integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(min_value=dt.datetime(1970, 1, 2), timezones=st.just(dt.timezone.utc))
days = st.dates(min_value=dt.date(1970, 1, 2))
durations = st.timedeltas(dt.timedelta(days=-3000), dt.timedelta(days=3000))
plain = st.recursive(
    st.none() | st.booleans() | integers | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)

LEAVES: dict[Any, Any] = {
    int: integers,
    float: floats,
    str: text,
    bool: st.booleans(),
    dt.datetime: moments,
    dt.timedelta: durations,
    dict: st.dictionaries(text, plain, max_size=3),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Point: st.builds(Point, integers, floats, st.none() | text),
}

IN_A_MODEL = {**LEAVES, float: finite, Point: st.builds(Point, integers, finite, st.none() | text)}


def values_of(python_type: Any, leaves: Any = LEAVES) -> Any:
    """Returns a strategy for the values of a type made of the leaves."""
    if python_type is type(None):
        return st.none()
    origin, arguments = typing.get_origin(python_type), typing.get_args(python_type)
    if origin is list:
        return st.lists(values_of(arguments[0], leaves), max_size=3)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0], leaves), values_of(arguments[1], leaves), max_size=3)
    if origin is tuple:
        return st.tuples(*(values_of(argument, leaves) for argument in arguments))
    if origin is Union:
        return st.one_of(*(values_of(argument, leaves) for argument in arguments))
    return leaves[python_type]


def _compose(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda t: list[t]),
        inner.map(lambda t: dict[str, t]),
        inner.map(lambda t: Optional[t]),
    )


types = st.recursive(st.sampled_from(list(LEAVES)), _compose, max_leaves=3)
typed_values = types.flatmap(lambda t: st.tuples(st.just(t), values_of(t)))

tuple_types = st.lists(
    st.recursive(st.sampled_from(list(IN_A_MODEL)), _compose, max_leaves=3), min_size=1, max_size=3
).map(lambda items: tuple[tuple(items)])  # type: ignore[misc]
tuple_values = tuple_types.flatmap(lambda t: st.tuples(st.just(t), values_of(t, IN_A_MODEL)))

points = st.builds(Point, integers, finite, st.none() | text)
orders = st.builds(
    Order,
    number=integers,
    price=floats,
    open=st.booleans(),
    when=moments,
    day=days,
    took=durations,
    color=st.sampled_from(Color),
    level=st.sampled_from(Level),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    key=st.uuids(),
    folder=st.sampled_from([pathlib.Path("/a/b"), pathlib.Path("c")]),
    raw=st.binary(max_size=8),
    speed=st.sampled_from(["slow", "fast"]),
    where=points,
    maybe=st.none() | points,
    route=st.lists(points, max_size=2),
    named=st.dictionaries(text, points, max_size=2),
    counts=st.dictionaries(st.integers(0, 2**32), text, max_size=2),
    pair=st.tuples(integers, text),
    either=integers | text,
    anything=st.dictionaries(text, plain, max_size=2),
    tags=st.lists(text, max_size=2),
    note=text,
)
rows = st.builds(
    Row,
    number=integers,
    ratio=finite,
    name=st.none() | text,
    color=st.sampled_from(Color),
    colors=st.lists(st.sampled_from(Color), max_size=2),
    when=moments,
    took=durations,
    where=points,
    route=st.lists(points, max_size=2),
    by_name=st.dictionaries(text, integers, max_size=2),
    by_number=st.dictionaries(st.integers(0, 2**32), text, max_size=2),
    pair=st.tuples(integers, text),
)
inners = st.fixed_dictionaries({"level": st.sampled_from(Level)}, optional={"note": text})
records = st.fixed_dictionaries(
    {
        "number": integers,
        "inner": inners,
        "inners": st.lists(inners, max_size=2),
        "point": points,
        "both": integers | text,
    },
    optional={"maybe": finite},
)
