"""Msgpack inside a literal: ``Binary`` with the tag ``msgpack``.

This is how Flyte carries everything that is neither a primitive nor a list, map or reference:
dataclasses, models and untyped dicts (``flyteidl2.core.Binary``). Msgpack is imported when the
first such value appears.
"""

from __future__ import annotations

from typing import Any

from flyteidl2.core.literals_pb2 import Literal

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import short

TAG = "msgpack"


def holds_msgpack(literal: Literal) -> bool:
    """Return whether the literal carries msgpack; an untagged ``Binary`` is a pickle."""
    return literal.scalar.binary.tag == TAG


def binary_literal(value: Any) -> Literal:
    """Return a literal that carries plain data (dict, list, text, numbers, ...) as msgpack."""
    import msgpack

    try:
        return packed_literal(msgpack.packb(value))
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ConversionError(f"{short(value)} has no form in msgpack: {error}") from None


def packed_literal(data: bytes) -> Literal:
    """Return a literal around bytes that are msgpack already."""
    literal = Literal()
    binary = literal.scalar.binary
    binary.tag = TAG
    binary.value = data
    return literal


def unpack(literal: Literal) -> Any:
    """Return the plain data in a msgpack literal; map keys may be of any simple type."""
    import msgpack

    try:
        return msgpack.unpackb(literal.scalar.binary.value, strict_map_key=False)
    except (TypeError, ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise ConversionError(f"the literal holds broken msgpack: {error}") from None
