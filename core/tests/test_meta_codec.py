"""Resource metas: what is written is read back, also by a release with other fields."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import socket
from typing import Any, Optional

import pytest
from flyte_connectors import ResourceMeta
from flyte_connectors import _meta_codec as meta_codec
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclasses.dataclass
class Place:
    host: str
    port: int


@dataclasses.dataclass
class PlainMeta(ResourceMeta):
    job: str
    number: int = 0
    share: float = 0.0
    done: bool = False
    note: Optional[str] = None  # noqa: UP045  (both spellings)
    tags: list[str] = dataclasses.field(default_factory=list)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class RichMeta(ResourceMeta):
    place: Place
    size: Size
    started: dt.datetime
    blob: bytes = b""


class UndecoratedMeta(ResourceMeta):
    job: str
    attempts: int = 1


@given(
    st.builds(
        PlainMeta,
        job=TEXT,
        number=st.integers(),
        share=st.floats(allow_nan=False) | st.integers(),
        done=st.booleans(),
        note=st.none() | TEXT,
        tags=st.lists(TEXT),
        extra=st.dictionaries(TEXT, JSON),
    )
)
def test_plain_metas_round_trip(meta: PlainMeta) -> None:
    """Fields of JSON's own types come back equal."""
    assert PlainMeta.decode(meta.encode()) == meta


@given(
    st.builds(
        RichMeta,
        place=st.builds(Place, TEXT, st.integers()),
        size=st.sampled_from(Size),
        started=st.datetimes(timezones=st.just(dt.timezone.utc)),
        blob=st.binary(),
    )
)
def test_rich_metas_round_trip(meta: RichMeta) -> None:
    """Nested dataclasses, enums, datetimes and bytes come back equal."""
    assert RichMeta.decode(meta.encode()) == meta


@given(TEXT, st.dictionaries(TEXT, JSON))
def test_unknown_fields_are_ignored(job: str, others: dict[str, Any]) -> None:
    """A meta that a newer release wrote is read by an older one, whatever it has added."""
    known = {field.name for field in dataclasses.fields(PlainMeta)}
    added = {name: value for name, value in others.items() if name not in known}
    data = json.dumps({**added, "job": job}).encode()
    assert PlainMeta.decode(data) == PlainMeta(job)


def test_unknown_fields_are_ignored_by_rich_metas() -> None:
    """The same where the fields need converting."""
    meta = RichMeta(Place("h", 1), Size.LARGE, dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc))
    newer = {**json.loads(meta.encode()), "added_later": [1, 2]}
    assert RichMeta.decode(json.dumps(newer).encode()) == meta


def test_missing_fields_take_their_defaults() -> None:
    """A meta that an older release wrote is read by a newer one."""
    assert PlainMeta.decode(b'{"job": "j"}') == PlainMeta("j")


def test_a_subclass_needs_no_decorator() -> None:
    """Listing the fields is enough, once the class has been checked, as registration does."""
    meta_codec.check(UndecoratedMeta)
    meta = UndecoratedMeta(job="j")
    assert meta.attempts == 1
    assert UndecoratedMeta.decode(meta.encode()) == meta


def test_a_meta_is_compact_utf8_json() -> None:
    """The bytes are what a person can read in Flyte's database."""
    meta_codec.check(UndecoratedMeta)
    assert UndecoratedMeta(job="j").encode() == b'{"job":"j","attempts":1}'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "JSON list, expected an object"),
        (b"3", "JSON int, expected an object"),
        (b"{}", "job"),
        (b'{"job": 3}', "field 'job' holds a int"),
        (b'{"job": "j", "tags": "all"}', "field 'tags' holds a str"),
    ],
)
def test_other_bytes_are_refused(data: bytes, said: str) -> None:
    """What is not a meta of the class raises ValueError and says why."""
    with pytest.raises(ValueError, match=said):
        PlainMeta.decode(data)


@pytest.mark.parametrize("data", [b"{}", b'{"place": 1, "size": "s", "started": "2026-01-01"}'])
def test_other_bytes_are_refused_by_rich_metas(data: bytes) -> None:
    """The same where the fields need converting."""
    with pytest.raises(ValueError, match="not a RichMeta"):
        RichMeta.decode(data)


def test_a_field_that_can_not_be_read_back_is_not_written() -> None:
    """A value of another type than declared fails at create, not at every poll after it."""
    with pytest.raises(TypeError, match="field 'job' holds a int"):
        PlainMeta(job=3).encode()  # type: ignore[arg-type]


def test_none_is_taken_where_it_is_the_default() -> None:
    """`note: str = None`, which people write, works."""

    @dataclasses.dataclass
    class Loose(ResourceMeta):
        note: str = None  # type: ignore[assignment]

    assert Loose.decode(Loose().encode()) == Loose()


def test_a_field_that_json_can_not_carry_is_found_by_the_check() -> None:
    """Registration can refuse the class before any job is started."""

    @dataclasses.dataclass
    class WithSocket(ResourceMeta):
        connection: socket.socket

    with pytest.raises(TypeError, match="WithSocket can't be stored as resource meta"):
        meta_codec.check(WithSocket)
