"""Codecs of typed lists and of maps with text keys: one literal per item.

``tuple[T, ...]``, ``set[T]`` and ``frozenset[T]`` travel as a list. (The official SDK pickles
them.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import Codec, convert_at, mismatch, type_name, wrong_literal
from flyte_connectors.types.msgpack_binary import holds_msgpack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable


def list_codec(python_type: Any, container: type, item: Codec) -> Codec:
    """Return the codec of a list (or another ``container``) whose items are all of one type."""
    name = type_name(python_type)
    encode_item, decode_item = item.encode, item.decode

    def encode(value: Any) -> Literal:
        if not isinstance(value, container):
            raise mismatch(name, value)
        literal = Literal()
        literal.collection.SetInParent()
        literal.collection.literals.extend(_each(encode_item, value))
        return literal

    def decode(literal: Literal) -> Any:
        if literal.HasField("collection"):
            return container(_each(decode_item, literal.collection.literals))
        if holds_msgpack(literal):
            return _from_plain(python_type, unpack(literal))
        raise wrong_literal(name, literal)

    literal_type = LiteralType(collection_type=item.literal_type)
    return Codec(python_type, literal_type, "Typed List", encode, decode)


def map_codec(python_type: Any, item: Codec) -> Codec:
    """Return the codec of a ``dict[str, T]``."""
    name = type_name(python_type)
    encode_item, decode_item = item.encode, item.decode

    def encode(value: Any) -> Literal:
        if not isinstance(value, dict):
            raise mismatch(name, value)
        literal = Literal()
        literal.map.SetInParent()
        entries = literal.map.literals
        for key, inner in value.items():
            if not isinstance(key, str):
                raise mismatch("str keys", key)
            entries[key].CopyFrom(convert_at(encode_item, inner, f"[{key!r}]"))
        return literal

    def decode(literal: Literal) -> Any:
        if literal.HasField("map"):
            entries = literal.map.literals
            return {key: convert_at(decode_item, entries[key], f"[{key!r}]") for key in entries}
        if holds_msgpack(literal):
            return _from_plain(python_type, unpack(literal))
        raise wrong_literal(name, literal)

    literal_type = LiteralType(map_value_type=item.literal_type)
    return Codec(python_type, literal_type, "Typed Dict", encode, decode)


def _each(convert: Callable[[Any], Any], values: Any) -> list[Any]:
    done: list[Any] = []
    try:
        for value in values:
            done.append(convert(value))  # noqa: PERF401 (its length is where it failed)
    except ConversionError as error:
        raise error.within(f"[{len(done)}]") from None
    return done


def _from_plain(python_type: Any, plain: Any) -> Any:
    from flyte_connectors.types.form import FIELDS
    from flyte_connectors.types.plain import plain_form

    return plain_form(python_type, FIELDS).load(plain)
