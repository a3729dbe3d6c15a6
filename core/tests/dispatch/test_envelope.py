"""The envelope around a meta: everything comes back, and damage is noticed."""

from __future__ import annotations

import pytest
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors.errors import InvalidResourceMetaError
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = {
    "meta": st.binary(),
    "outputs": st.binary(),
    "secrets": st.dictionaries(TEXT, TEXT, max_size=4),
    "key": st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=63),
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
        assert place >= 4
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


@given(st.binary(min_size=1).filter(lambda data: not data.startswith(b"\x00fc1")))
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
