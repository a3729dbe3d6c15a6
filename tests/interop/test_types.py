"""Our literals and the official SDK's are the same messages, and each side reads the other's.

Runs where the official ``flyte`` 2.12 is installed next to ours.
"""

# All spellings of types and moments are tested on purpose.
# ruff: noqa: DTZ001, UP007, UP045

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import msgpack
import pydantic
import pytest
from flyte_connectors import io
from flyte_connectors.types import ConversionError, codec_for_literal_type, codec_for_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import strategies as s

if TYPE_CHECKING:
    import pathlib

    from flyteidl2.core.literals_pb2 import Literal as LiteralMessage
    from flyteidl2.core.types_pb2 import LiteralType

official_io = pytest.importorskip("flyte.io")
TypeEngine = pytest.importorskip("flyte.types").TypeEngine
internal_ctx = pytest.importorskip("flyte._context").internal_ctx
RawDataPath = pytest.importorskip("flyte.models").RawDataPath

LOOP = asyncio.new_event_loop()
settings.register_profile("interop", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("interop")


def official_type(python_type: Any) -> LiteralType:
    return TypeEngine.to_literal_type(python_type)


def official_encode(value: Any, python_type: Any) -> LiteralMessage:
    return LOOP.run_until_complete(TypeEngine.to_literal(value, python_type, official_type(python_type)))


def official_decode(literal: LiteralMessage, python_type: Any) -> Any:
    return LOOP.run_until_complete(TypeEngine.to_python_value(literal, python_type))


def assert_interchangeable(python_type: Any, value: Any) -> None:
    codec = codec_for_type(python_type)
    assert codec.literal_type == official_type(python_type)
    ours, theirs = codec.encode(value), official_encode(value, python_type)
    assert ours == theirs
    assert codec.decode(theirs) == official_decode(ours, python_type) == value
    assert_service_agrees(codec.literal_type, ours)


def assert_service_agrees(literal_type: LiteralType, literal: LiteralMessage) -> None:
    """Whoever knows only the Flyte type reads the value and writes it back unchanged."""
    codec = codec_for_literal_type(literal_type)
    again = codec.encode(codec.decode(literal))
    assert content(again) == content(literal)


def content(literal: LiteralMessage) -> Any:
    """Returns what a literal says; the order of fields in a struct is not part of it."""
    if literal.HasField("collection"):
        return [content(item) for item in literal.collection.literals]
    if literal.HasField("map"):
        return {key: content(item) for key, item in literal.map.literals.items()}
    if literal.scalar.HasField("union"):
        return literal.scalar.union.type.structure.tag, content(literal.scalar.union.value)
    binary = literal.scalar.binary
    return msgpack.unpackb(binary.value, strict_map_key=False) if binary.tag else literal


@given(s.typed_values)
def test_scalars_lists_maps_and_optionals_are_the_same_messages(pair: tuple[Any, Any]) -> None:
    """Any nesting of them: same type, same literal, read by both."""
    python_type, value = pair
    assert_interchangeable(python_type, value)


@given(s.orders)
def test_a_dataclass_is_the_same_message(order: s.Order) -> None:
    """With every kind of field that has a form on the wire."""
    assert_interchangeable(s.Order, order)


@given(s.rows)
def test_a_named_tuple_is_the_same_message(row: s.Row) -> None:
    """Though pydantic is not involved here."""
    assert_interchangeable(s.Row, row)


@given(s.records)
def test_a_typed_dict_is_the_same_message(record: dict[str, Any]) -> None:
    """With keys that may be missing, and typed dicts inside."""
    assert_interchangeable(s.Record, record)


@given(s.tuple_values)
def test_a_tuple_is_the_same_message(pair: tuple[Any, Any]) -> None:
    """Of any items."""
    python_type, value = pair
    assert_interchangeable(python_type, value)


@given(st.dictionaries(s.text, s.plain), st.dictionaries(st.integers(-5, 2**40), s.text))
def test_dicts_that_are_no_maps_are_the_same_messages(untyped: Any, by_number: Any) -> None:
    """Untyped ones and those whose keys are not text."""
    assert_interchangeable(dict, untyped)
    assert_interchangeable(dict[int, str], by_number)


@given(st.integers(-(2**63), 2**63 - 1) | s.text | st.none() | s.points | st.lists(s.text, max_size=2))
def test_a_union_is_the_same_message(value: Any) -> None:
    """Whichever variant the value is."""
    assert_interchangeable(Union[int, str, s.Point, list[str], None], value)


@given(st.datetimes(min_value=dt.datetime(1970, 1, 2)))
def test_a_moment_without_time_zone_is_the_same_message(moment: dt.datetime) -> None:
    """It counts as UTC on both sides and comes back with that zone."""
    ours = codec_for_type(dt.datetime).encode(moment)
    assert ours == official_encode(moment, dt.datetime)
    read = codec_for_type(dt.datetime).decode(ours)
    assert read == moment.replace(tzinfo=dt.timezone.utc)


@given(s.days)
def test_a_day_is_the_same_message(day: dt.date) -> None:
    """Midnight in UTC."""
    assert codec_for_type(dt.date).literal_type == official_type(dt.date)
    ours = codec_for_type(dt.date).encode(day)
    assert ours == official_encode(day, dt.date)
    assert codec_for_type(dt.date).decode(ours) == day


def test_literal_choices_have_the_same_type() -> None:
    """The official SDK turns them into an enum of its own when it reads a signature."""
    from flyte._interface import literal_to_enum

    ours = codec_for_type(Literal["slow", "fast"])
    theirs = literal_to_enum(Literal["slow", "fast"])
    assert ours.literal_type == official_type(theirs)
    assert ours.encode("fast") == official_encode("fast", theirs)


NAMES = st.text("abcdef/", min_size=1, max_size=8).map(lambda name: f"s3://bucket/{name}")
WORDS = st.text("abcdef", max_size=5)


@given(NAMES, WORDS, st.none() | WORDS)
@pytest.mark.parametrize("kind", ["File", "Dir"])
def test_files_and_folders_are_the_same_messages(kind: str, path: str, form: str, key: str | None) -> None:
    """By path, with format and hash; also inside dataclasses (below)."""
    ours, theirs = getattr(io, kind), getattr(official_io, kind)
    codec = codec_for_type(ours)
    assert codec.literal_type == official_type(theirs)
    literal = codec.encode(ours(path=path, format=form, hash=key))
    assert literal == official_encode(theirs(path=path, format=form, hash=key), theirs)
    assert codec.decode(literal) == ours(path=path, format=form, hash=key or None)
    assert official_decode(literal, theirs).path == path


@given(NAMES, st.sampled_from(["", "parquet", "csv"]), st.sampled_from(["", "parquet"]))
def test_tables_are_the_same_messages(uri: str, form: str, declared: str) -> None:
    """With declared columns and format, and without."""
    for columns in ({}, {"a": int, "b": str, "c": float, "d": list[int], "e": dt.datetime}):
        ours = Annotated[io.DataFrame, columns, declared]
        theirs = Annotated[official_io.DataFrame, columns, declared]
        codec = codec_for_type(ours)
        assert codec.literal_type == official_type(theirs)
        literal = codec.encode(io.DataFrame(uri=uri, format=form))
        assert literal == official_encode(official_io.DataFrame(uri=uri, format=form), theirs)
        assert codec.decode(literal).columns == columns
        assert official_decode(literal, theirs).uri == uri
        assert_service_agrees(codec.literal_type, literal)


def job_class(module: Any) -> Any:
    """Returns a dataclass with references of one of the two packages."""
    fields = [
        ("script", module.File),
        ("data", module.Dir),
        ("table", module.DataFrame),
        ("log", Optional[module.File], None),
        ("more", list[module.File], dataclasses.field(default_factory=list)),
    ]
    return dataclasses.make_dataclass("Job", fields)


def job(module: Any, path: str) -> dict[str, Any]:
    """Returns the fields of such a job."""
    return {
        "script": module.File(path=path),
        "data": module.Dir(path=path),
        "table": module.DataFrame(uri=path, format="parquet"),
        "more": [module.File(path=path, format="csv")],
    }


OUR_JOB, OFFICIAL_JOB = job_class(io), job_class(official_io)


@given(NAMES)
def test_references_inside_a_dataclass_are_the_same_messages(path: str) -> None:
    """The schema of each reference included."""
    codec = codec_for_type(OUR_JOB)
    assert codec.literal_type == official_type(OFFICIAL_JOB)
    literal = codec.encode(OUR_JOB(**job(io, path)))
    assert literal == official_encode(OFFICIAL_JOB(**job(official_io, path)), OFFICIAL_JOB)
    assert codec.decode(literal) == OUR_JOB(**job(io, path))
    assert official_decode(literal, OFFICIAL_JOB).more[0].format == "csv"
    assert codec_for_literal_type(codec.literal_type).decode(literal).script == io.File(path=path)


@pytest.mark.parametrize(
    "pair_of",
    [
        lambda module: tuple[module.File, module.Dir],
        lambda module: tuple[module.DataFrame, list[module.File]],
    ],
)
def test_references_inside_a_tuple_have_the_same_type(pair_of: Any) -> None:
    """Marked by `x-flyte-type`, as inside any model."""
    assert codec_for_type(pair_of(io)).literal_type == official_type(pair_of(official_io))


class Customer(pydantic.BaseModel):
    """Somebody who buys."""

    name: str
    level: s.Level
    favourite: Optional[s.Color] = None


class Purchase(pydantic.BaseModel):
    number: Annotated[int, pydantic.Field(ge=0)]
    when: dt.datetime
    took: dt.timedelta
    customer: Customer
    others: list[Customer] = []
    colors: dict[s.Color, int] = {}
    note: Union[int, str] = "none"


customers = st.builds(
    Customer,
    name=s.text,
    level=st.sampled_from(s.Level),
    favourite=st.none() | st.sampled_from(s.Color),
)
purchases = st.builds(
    Purchase,
    number=st.integers(0, 2**63 - 1),
    when=s.moments,
    took=s.durations,
    customer=customers,
    others=st.lists(customers, max_size=2),
    colors=st.dictionaries(st.sampled_from(s.Color), s.integers, max_size=2),
    note=s.integers | s.text,
)


@given(purchases)
def test_a_model_is_the_same_message(purchase: Purchase) -> None:
    """With nested models and enums in several places."""
    assert_interchangeable(Purchase, purchase)


@pytest.mark.parametrize(
    "python_type",
    [
        Annotated[str, pydantic.Field(pattern="^s3://", description="where")],
        Annotated[int, pydantic.Field(ge=1, le=5)],
        Annotated[Optional[str], pydantic.Field(min_length=2, title="T")],
        Annotated[list[int], pydantic.Field(max_length=3)],
        Annotated[int, "only a note"],
        Annotated[dict, pydantic.Field(description="free")],
    ],
)
def test_descriptions_of_inputs_are_in_the_type(python_type: Any) -> None:
    """Those that pydantic's ``Field`` gives."""
    assert codec_for_type(python_type).literal_type == official_type(python_type)


@pytest.mark.parametrize("value", [1j, [1j] * 2000], ids=["in the literal", "in a file"])
def test_what_the_official_sdk_pickles_is_refused(value: Any, tmp_path: pathlib.Path) -> None:
    """By its type already, and by each codec that gets the value."""
    with pytest.raises(ConversionError, match="the declared type is a pickle"):
        codec_for_literal_type(official_type(complex))
    with internal_ctx().new_raw_data_path(RawDataPath(path=str(tmp_path))):
        literal = official_encode(value, complex)
    for python_type in (int, bytes, dict, list[int], Optional[str], io.File, s.Point):
        with pytest.raises(ConversionError, match="pickled inputs are refused"):
            codec_for_type(python_type).decode(literal)
