"""Headers and trailers."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_asgi.metadata import headers_of, metadata_of, seconds_of, status_headers

KEYS = st.from_regex(r"x-[a-z0-9_.]{1,20}", fullmatch=True)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)).map(str.strip)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"1500m", 1.5), (b"5u", 5e-6), (b"99999999n", 0.1)],
)
def test_time_limits_have_six_units(timeout: bytes, seconds: float) -> None:
    """Hours to nanoseconds."""
    assert seconds_of(timeout) == pytest.approx(seconds)


@given(st.lists(st.tuples(KEYS, ASCII) | st.tuples(KEYS.map("{}-bin".format), st.binary())))
def test_metadata_survive_the_wire(metadata: list[tuple[str, str | bytes]]) -> None:
    """Text and bytes, in their order."""
    assert metadata_of(headers_of(metadata)) == tuple(metadata)


def test_binary_metadata_may_be_padded_and_joined() -> None:
    """As other clients send them."""
    headers = [(b"x-bin", b"AP8B,AA=="), (b"te", b"trailers")]
    assert metadata_of(headers) == (("x-bin", b"\x00\xff\x01"), ("x-bin", b"\x00"))


@given(st.text(min_size=1))
def test_messages_are_percent_encoded(message: str) -> None:
    """All that is not printable ASCII, and `%`; unpaired surrogates are replaced."""
    value = dict(status_headers(5, message))[b"grpc-message"].decode("ascii")
    assert value.isprintable()
    assert unquote(value) == message.encode("utf-8", "replace").decode()
