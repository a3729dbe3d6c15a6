"""Fields of protobuf messages as bytes (https://protobuf.dev/programming-guides/encoding), where there are very many."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def head(tag: int, length: int) -> bytes:
    """What precedes the bytes of a field: its tag, and their number as a varint."""
    found = bytearray((tag,))
    while length > 0x7F:  # noqa: PLR2004  (seven bits a byte)
        found.append(length & 0x7F | 0x80)
        length >>= 7
    found.append(length)
    return bytes(found)


def tag_of(message: type, field: str) -> int:
    """The tag of a text or message in messages of a class."""
    number: int = message.DESCRIPTOR.fields_by_name[field].number  # type: ignore[attr-defined]
    return number << 3 | 2
