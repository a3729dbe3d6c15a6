"""Values as people read them."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

from flyte_connectors.connector import Phase
from flyteidl2.core.literals_pb2 import Literal
from google.protobuf.json_format import MessageToDict

LONGEST_VALUE = 2_000  # characters
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(seconds: float) -> str:
    """A duration in its two largest units, as kubectl shows it: `42s`, `5m 3s`, `3h 12m`."""
    whole = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in _UNITS:
        if whole >= size or (unit == "s" and not parts):
            parts.append(f"{whole // size}{unit}")
            whole %= size
    return " ".join(parts[:2])


def moment(seconds: float) -> str:
    """A time as ISO 8601, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """`text`, or its beginning and how much is left out."""
    left = len(text) - longest
    return text if left <= 0 else f"{text[:longest]}… ({left} more characters)"


def phase_name(phase: int) -> str:
    """The name of a phase, also of one that this release does not know."""
    try:
        return Phase(phase).name
    except ValueError:
        return f"PHASE {phase}"


def is_web_address(uri: str) -> bool:
    """Whether a browser may follow a link: a `javascript:` URI would run in the page."""
    try:
        return urlsplit(uri).scheme.lower() in ("http", "https")
    except ValueError:
        return False


def plain_text(value: Any) -> str:
    """A JSON-like value; numbers that protobuf has made fractions of are whole again."""
    return value if isinstance(value, str) else json.dumps(_short(value))


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() else float(f"{value:.6g}")


def literal_text(literal: Literal) -> str:
    """A value on the wire, short enough to be shown."""
    return shortened(_text(literal))


def _text(literal: Literal) -> str:  # noqa: PLR0911  (one line per kind of value)
    scalar = literal.scalar
    kind = scalar.WhichOneof("value") if literal.WhichOneof("value") == "scalar" else None
    if kind == "primitive":
        name = scalar.primitive.WhichOneof("value")
        value: Any = getattr(scalar.primitive, name) if name else None
        if name in ("datetime", "duration"):
            return str(value.ToJsonString())
        return str(value) if isinstance(value, str) else json.dumps(value)
    if kind == "none_type":
        return "null"
    if kind == "blob":
        return str(scalar.blob.uri)
    if kind == "structured_dataset":
        return str(scalar.structured_dataset.uri)
    if kind == "binary":
        return _msgpack_text(scalar.binary.value)
    if kind == "generic":
        return json.dumps(MessageToDict(scalar.generic))
    if literal.WhichOneof("value") == "collection":
        return f"[{', '.join(_text(item) for item in literal.collection.literals[:50])}]"
    if literal.WhichOneof("value") == "map":
        items = list(literal.map.literals.items())[:50]
        return "{" + ", ".join(f"{key}: {_text(item)}" for key, item in items) + "}"
    return json.dumps(MessageToDict(literal))


def _msgpack_text(data: bytes) -> str:
    import msgpack

    try:
        return json.dumps(msgpack.unpackb(data), default=str)
    except (ValueError, TypeError, RecursionError):
        return f"{len(data)} bytes"
