"""Codecs of typed lists and of maps with text keys, one literal per item, and of unions.

``tuple[T, ...]``, ``set[T]`` and ``frozenset[T]`` travel as a list. (The official SDK pickles
them.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import Codec, convert_at, mismatch, type_name, wrong_literal
from flyte_connectors.types.msgpack_binary import holds_msgpack, unpack


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
        return _from_msgpack(literal, python_type)

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
        return _from_msgpack(literal, python_type)

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


def _from_msgpack(literal: Literal, python_type: Any) -> Any:
    from flyte_connectors.types.form import FIELDS
    from flyte_connectors.types.plain import plain_form

    if not holds_msgpack(literal):
        raise wrong_literal(type_name(python_type), literal)
    return plain_form(python_type, FIELDS).load(unpack(literal))


def union_codec(python_type: Any, variants: list[Codec]) -> Codec:
    """Return the codec of a union of the types that ``variants`` convert.

    The literal carries the value and the variant, named by its type and tag (``flyteidl2.core.Union``,
    ``TypeStructure.tag``). A value goes to the variant of its exact type, else to the only variant that accepts
    it; where two do, nothing is guessed.
    """
    name = " or ".join(type_name(variant.python_type) for variant in variants)
    tagged = [_tagged(variant) for variant in variants]
    literal_type = LiteralType()
    literal_type.union_type.variants.extend(tagged)
    by_type = {id(variant.python_type): i for i, variant in enumerate(variants)}

    def encode(value: Any) -> Literal:
        exact = by_type.get(id(type(value)))
        if exact is not None:
            inner = variants[exact].encode(value)
        else:
            exact, inner = _only(variants, lambda variant: variant.encode(value), name, value)
        literal = Literal()
        union = literal.scalar.union
        union.value.CopyFrom(inner)
        union.type.CopyFrom(tagged[exact])
        return literal

    def decode(literal: Literal) -> Any:
        if not literal.scalar.HasField("union"):
            return _only(variants, lambda variant: variant.decode(literal), name, literal)[1]
        union = literal.scalar.union
        candidates = _candidates(variants, union.type)
        if len(candidates) == 1:
            return candidates[0].decode(union.value)
        return _only(candidates or variants, lambda variant: variant.decode(union.value), name, union.value)[1]

    return Codec(python_type, literal_type, "Typed Union", encode, decode)


def _tagged(variant: Codec) -> LiteralType:
    literal_type = LiteralType()
    literal_type.CopyFrom(variant.literal_type)
    literal_type.structure.Clear()
    literal_type.structure.tag = variant.tag
    return literal_type


def _candidates(variants: list[Codec], written: LiteralType) -> list[Codec]:
    same_tag = [variant for variant in variants if variant.tag == written.structure.tag]
    if len(same_tag) <= 1:
        return same_tag
    same_type = [variant for variant in same_tag if _tagged(variant) == written]
    return same_type or same_tag


def _only(variants: list[Codec], convert: Callable[[Codec], Any], name: str, value: Any) -> tuple[int, Any]:
    fits: list[tuple[int, Any]] = []
    errors: list[ConversionError] = []
    for i, variant in enumerate(variants):
        try:
            fits.append((i, convert(variant)))
        except ConversionError as error:
            errors.append(error)
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = " and ".join(type_name(variants[i].python_type) for i, _ in fits)
        raise ConversionError(f"expected {name}: the value fits {names}, so it is ambiguous")
    deepest = next((error for error in errors if error.path), None)
    raise deepest or (errors[-1] if isinstance(value, Literal) else mismatch(name, value))
