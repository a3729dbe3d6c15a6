"""Codecs of types that travel as their text, as they do inside a dataclass: numbers, keys, paths.

The official SDK pickles these, clock times (`datetime.time`) among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl2.core.types_pb2 import LiteralType, SimpleType

from flyte_connectors.types.codec import Codec, mismatch
from flyte_connectors.types.scalars import decode_str, encode_str

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl2.core.literals_pb2 import Literal


def text_codec(python_type: type, read: Callable[[str], Any]) -> Codec:
    """Return the codec of a type, such as ``Decimal`` or ``Path``, whose text ``read`` turns back."""
    name = python_type.__name__

    def encode(value: Any) -> Literal:
        if not isinstance(value, python_type):
            raise mismatch(name, value)
        return encode_str(str(value))

    def decode(literal: Literal) -> Any:
        text = decode_str(literal)
        try:
            return read(text)
        except (ArithmeticError, ValueError):
            raise mismatch(name, text) from None

    return Codec(python_type, LiteralType(simple=SimpleType.STRING), name, encode, decode)
