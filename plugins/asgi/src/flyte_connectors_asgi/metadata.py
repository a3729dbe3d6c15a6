"""What gRPC writes into HTTP/2 headers and trailers: time limits, metadata, status and message.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import quote

Headers: TypeAlias = "Iterable[tuple[bytes, bytes]]"
Metadata: TypeAlias = "tuple[tuple[str, str | bytes], ...]"

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_LONGEST_TIMEOUT = 8  # digits

_OF_THE_TRANSPORT = frozenset(
    (b"content-type", b"te", b"host", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding")
)
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def seconds_of(timeout: bytes) -> float:
    """The seconds that a `grpc-timeout` stands for.

    Raises:
        ValueError: it is not one.
    """
    digits, unit = timeout[:-1], _UNITS.get(timeout[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _LONGEST_TIMEOUT:
        raise ValueError(timeout)
    return int(digits) * unit


def metadata_of(headers: Headers) -> Metadata:
    """The metadata that a client has sent; of names that end in `-bin` as bytes."""
    found: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        if name in _OF_THE_TRANSPORT:
            continue
        key = name.decode("ascii", "replace")
        if name.endswith(b"-bin"):
            found += [(key, _decoded(one)) for one in value.split(b",")]
        else:
            found.append((key, value.decode("ascii", "replace")))
    return tuple(found)


def headers_of(metadata: Iterable[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    """Metadata as HTTP/2 headers."""
    return [(key.lower().encode("ascii"), _encoded(key, value)) for key, value in metadata]


def status_headers(code: int, message: str) -> list[tuple[bytes, bytes]]:
    """The trailers of a status: the message is percent-encoded UTF-8."""
    headers = [(b"grpc-status", b"%d" % code)]
    if message:
        text = quote(message.encode("utf-8", "replace"), safe=_PRINTABLE)
        headers.append((b"grpc-message", text.encode("ascii")))
    return headers


def _decoded(value: bytes) -> bytes:
    """Base64 with or without its padding; what is neither stays as it is."""
    try:
        return base64.b64decode(value.strip() + b"=" * (-len(value.strip()) % 4), validate=True)
    except binascii.Error:
        return value


def _encoded(key: str, value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode("ascii", "replace")
    return base64.b64encode(raw).rstrip(b"=") if key.lower().endswith("-bin") else raw
