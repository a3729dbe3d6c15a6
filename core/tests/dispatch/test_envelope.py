"""The envelope around a meta: everything comes back, and damage is noticed."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack
import pytest
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors.errors import InvalidResourceMetaError
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = {
    "meta": st.binary(),
    "outputs": st.none() | st.binary(),
    "secrets": st.dictionaries(TEXT, TEXT, max_size=4),
    "key": st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=63),
    "limit": st.none() | st.tuples(st.floats(0, 1e12), st.floats(0, 1e12)),
}
# A job is finished, or its create is still running, or neither.
ENVELOPES = st.builds(Envelope, **FIELDS, finished=st.binary(), request=st.just(b"")) | st.builds(
    Envelope, **FIELDS, finished=st.just(b""), request=st.binary()
)


@given(ENVELOPES, TEXT)
def test_what_is_sealed_is_unsealed(envelope: Envelope, task_type: str) -> None:
    """Sealing and unsealing for one task type changes nothing."""
    assert unseal(seal(envelope, task_type), task_type) == envelope


@given(ENVELOPES, TEXT, TEXT)
def test_another_task_types_envelope_is_refused(envelope: Envelope, one: str, other: str) -> None:
    """A meta can't be passed to another connector by mistake."""
    data = seal(envelope, one)
    if one == other:
        return
    with pytest.raises(InvalidResourceMetaError, match="not of task type"):
        unseal(data, other)


@given(ENVELOPES, st.data())
def test_a_changed_byte_is_noticed(envelope: Envelope, data: st.DataObject) -> None:
    """Damage is refused; within the magic it leaves bare bytes, never a part of the content."""
    sealed = bytearray(seal(envelope, "t"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = unseal(bytes(sealed), "t")
    except InvalidResourceMetaError:
        assert place >= 4 or sealed[:4] == b"\x00fc1"
    else:
        assert place < 4
        assert read == Envelope(bytes(sealed))


@given(ENVELOPES, st.data())
def test_a_truncated_envelope_is_refused(envelope: Envelope, data: st.DataObject) -> None:
    """So are bytes that end too early, down to the magic alone."""
    sealed = seal(envelope, "t")
    length = data.draw(st.integers(4, len(sealed) - 1))
    with pytest.raises(InvalidResourceMetaError, match="resource_meta: damaged"):
        unseal(sealed[:length], "t")


def test_empty_bytes_are_refused() -> None:
    """The text says what belongs there."""
    with pytest.raises(InvalidResourceMetaError, match="resource_meta: empty: task type 't'"):
        unseal(b"", "t")


@given(st.binary(min_size=1).filter(lambda data: data[:4] not in (b"\x00fc1", b"\x00fc2")))
def test_bare_bytes_are_a_meta(data: bytes) -> None:
    """Jobs that another service started can be polled: their outputs are undeclared, not absent."""
    envelope = unseal(data, "t")
    assert envelope.meta == data
    assert envelope.outputs is None


def test_large_tables_fit() -> None:
    """Nothing that fits a request is too large for the envelope."""
    secrets = {f"argument_{number}": "n" * 100 for number in range(1000)}
    envelope = Envelope(b"m" * 100_000, b"o" * 100_000, secrets, "key", b"f" * 100_000)
    assert unseal(seal(envelope, "t"), "t") == envelope


def test_the_envelope_is_small() -> None:
    """Flyte stores and logs the bytes: the frame costs a few of them."""
    assert len(seal(Envelope(b""), "t")) <= 32


FIRST_LAYOUT = {
    "0066633100000006000000151a00000000000a056f7574737b226170695f6b6579223a20226d792d6b6579227d72756e31"
    "2d61302d302d303132333435363738396162636465667b226a6f62223a20226a31227d3a47f626": Envelope(
        b'{"job": "j1"}', b"\n\x05outs", {"api_key": "my-key"}, "run1-a0-0-0123456789abcdef"
    ),
    "0066633100000000000000001a000000000272756e312d61302d302d3031323334353637383961626364656608034fbd7ae9": Envelope(
        b"", b"", {}, "run1-a0-0-0123456789abcdef", finished=b"\x08\x03"
    ),
    "0066633100000000000000001a010000000572756e312d61302d302d30313233343536373839616263646566"
    "1a036f7574481cda56": Envelope(b"", b"", {}, "run1-a0-0-0123456789abcdef", request=b"\x1a\x03out"),
}
"""What the first layout wrote for the task type `fake_job`, hexadecimal."""


@pytest.mark.parametrize("stored", FIRST_LAYOUT)
def test_metas_of_the_first_layout_are_read(stored: str) -> None:
    """Jobs that were started before an upgrade are polled after it."""
    assert unseal(bytes.fromhex(stored), "fake_job") == FIRST_LAYOUT[stored]


def test_the_layout_is_fixed() -> None:
    """Other releases read these bytes: a change of them needs a new magic."""
    envelope = Envelope(b"m", b"", {"api_key": "my-key"}, "k-1", request=b"r")
    assert seal(envelope, "t").hex() == (
        "00666332e2bccdeb85a46d657461c4016da36b6579a36b2d31a76f757470757473c400"
        "a77365637265747381a76170695f6b6579a66d792d6b6579a772657175657374c40172"
    )


def sealed(body: bytes, *, task_type: str = "t") -> bytes:
    """An envelope by hand: anybody can compute the checksum."""
    checksum = zlib.crc32(body, zlib.crc32(task_type.encode()))
    return b"\x00fc2" + struct.pack("!I", checksum) + body


def sealed_first(body: bytes, *, task_type: str = "t") -> bytes:
    """The same in the first layout."""
    body = b"\x00fc1" + body
    return body + struct.pack("!I", zlib.crc32(body, zlib.crc32(task_type.encode())))


@given(ENVELOPES, st.dictionaries(TEXT.filter(lambda name: name not in Envelope._fields), TEXT))
def test_what_a_later_release_adds_is_ignored(envelope: Envelope, added: dict[str, str]) -> None:
    """A rollback, or replicas of two releases beside each other, lose no job."""
    fields = msgpack.unpackb(seal(envelope, "t")[8:])
    assert unseal(sealed(msgpack.packb({**fields, **added})), "t") == envelope


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | JSON_LIKE.map(msgpack.packb))
def test_any_bytes_by_hand_are_read_or_refused(body: bytes) -> None:
    """Never an error that the service did not foresee."""
    for data in (sealed(body), sealed_first(body)):
        try:
            read = unseal(data, "t")
        except InvalidResourceMetaError:
            continue
        assert isinstance(read.meta, bytes)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Envelope._fields, JSON_LIKE)))
def test_fields_of_wrong_types_are_refused(fields: dict[str, Any]) -> None:
    """What is read has the types that the rest of the core relies on."""
    try:
        read = unseal(sealed(msgpack.packb(fields)), "t")
    except InvalidResourceMetaError:
        return
    assert isinstance(read.meta, bytes)
    assert isinstance(read.finished, bytes)
    assert isinstance(read.request, bytes)
    assert read.outputs is None or isinstance(read.outputs, bytes)
    assert all(type(text) is str for pair in read.secrets.items() for text in pair)
    assert set(read.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


HUGE = struct.pack("!IIB?I", 0xFFFFFFFF, 0xFFFFFFFF, 255, True, 0xFFFFFFFF)
DEEP_JSON = b"[" * 100_000


@pytest.mark.parametrize(
    "data",
    [
        sealed(b"\x91" * 100_000),
        sealed(b"\xdf\xff\xff\xff\xff"),
        sealed(b"\xdd\xff\xff\xff\xff"),
        sealed(msgpack.packb({"meta": b""}) + b"more"),
        sealed(b"\x81\xa1\xff\xc0"),
        sealed(b"\x81\xa3key\xd6\xff\x00\x00\x00\x00"),
        sealed(msgpack.packb({"key": "../../etc"})),
        sealed(msgpack.packb({"secrets": []})),
        sealed(msgpack.packb({"secrets": {"a": 1}})),
        sealed(b""),
        sealed_first(HUGE),
        sealed_first(struct.pack("!IIB?I", 0, 100_000, 0, False, 0) + DEEP_JSON),
        sealed_first(struct.pack("!IIB?I", 0, 3, 0, False, 0) + b"[1]"),
        sealed_first(struct.pack("!IIB?I", 0, 17, 0, False, 0) + b'{"a": "\\ud800b"}'),
        sealed_first(struct.pack("!IIB?I", 0, 0, 2, False, 0) + b"\xff\xfe"),
    ],
)
def test_traps_are_refused(data: bytes) -> None:
    """Deep nesting, huge lengths, what is left over, odd texts, foreign types."""
    with pytest.raises(InvalidResourceMetaError, match="resource_meta: of another layout"):
        unseal(data, "t")
