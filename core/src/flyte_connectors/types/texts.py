"""Codecs of types that travel as their text, as they do inside a dataclass: numbers, keys, paths.

The official SDK pickles these, clock times (`datetime.time`) among them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import os
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType, SimpleType

from flyte_connectors.types.codec import Codec, mismatch
from flyte_connectors.types.scalars import decode_str, encode_str


class Text(NamedTuple):
    """How the values of one type become text and come back; ``read`` raises ValueError or ArithmeticError."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


TEXTS: dict[Any, Text] = {
    decimal.Decimal: Text(str, decimal.Decimal),
    uuid.UUID: Text(str, uuid.UUID),
    pathlib.Path: Text(os.fspath, pathlib.Path),
    pathlib.PurePath: Text(os.fspath, pathlib.Path),
    dt.time: Text(dt.time.isoformat, dt.time.fromisoformat),
}
"""Types that travel as their text, whether alone or inside a struct."""


def text_codec(python_type: type) -> Codec:
    """Return the codec of one of ``TEXTS``."""
    name = python_type.__name__
    write, read = TEXTS[python_type]

    def encode(value: Any) -> Literal:
        if not isinstance(value, python_type):
            raise mismatch(name, value)
        return encode_str(write(value))

    def decode(literal: Literal) -> Any:
        text = decode_str(literal)
        try:
            return read(text)
        except (ArithmeticError, ValueError):
            raise mismatch(name, text) from None

    return Codec(python_type, LiteralType(simple=SimpleType.STRING), name, encode, decode)
