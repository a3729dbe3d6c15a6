"""Codecs of enums and of ``typing.Literal``: text on the wire, for an enum its member's name."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from flyteidl2.core.types_pb2 import EnumType, LiteralType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import Codec, mismatch, type_name
from flyte_connectors.types.msgpack_binary import holds_msgpack, unpack
from flyte_connectors.types.scalars import decode_str, encode_str

if TYPE_CHECKING:
    from flyteidl2.core.literals_pb2 import Literal

_TAG = "DefaultEnumTransformer"


def enum_codec(python_type: type[enum.Enum]) -> Codec:
    """Return the codec of an enum class. Aliases count as their member.

    Raises:
        ConversionError: A ``Flag``, whose combinations have no names, or an enum
            without members.
    """
    name = python_type.__name__
    if issubclass(python_type, enum.Flag):
        raise ConversionError(f"{name} is a Flag, whose combinations have no name: pass the number")
    names = [member.name for member in python_type]
    if not names:
        raise ConversionError(f"the enum {name} has no members")
    expected = f"{name} (one of {', '.join(names)})"

    def encode(value: Any) -> Literal:
        if isinstance(value, python_type):
            return encode_str(value.name)
        if isinstance(value, str) and value in python_type.__members__:
            return encode_str(python_type[value].name)
        raise mismatch(expected, value)

    def decode(literal: Literal) -> Any:
        if holds_msgpack(literal):  # a field of a dataclass, which is by value
            value = unpack(literal)
            try:
                return python_type(value)
            except ValueError:
                raise mismatch(expected, value) from None
        text = decode_str(literal)
        if text not in python_type.__members__:
            raise mismatch(expected, text)
        return python_type[text]

    return Codec(python_type, LiteralType(enum_type=EnumType(values=names)), _TAG, encode, decode)


def choice_codec(python_type: Any, choices: tuple[Any, ...]) -> Codec:
    """Return the codec of ``Literal["a", "b"]``, or of an enum of which only the names are known.

    An enum's member counts as its name.

    Raises:
        ConversionError: One of the choices is not text.
    """
    if not all(type(choice) is str for choice in choices):
        raise ConversionError(f"{type_name(python_type)} can't be carried by Flyte: only text can be chosen from")
    expected = f"one of {', '.join(map(repr, choices))}"

    def check(value: Any) -> str:
        text = value.name if isinstance(value, enum.Enum) else value
        if isinstance(text, str) and text in choices:
            return text
        raise mismatch(expected, value)

    def encode(value: Any) -> Literal:
        return encode_str(check(value))

    def decode(literal: Literal) -> str:
        return check(decode_str(literal))

    literal_type = LiteralType(enum_type=EnumType(values=choices))
    return Codec(python_type, literal_type, _TAG, encode, decode)
