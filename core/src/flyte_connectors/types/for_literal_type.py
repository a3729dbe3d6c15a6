"""From a Flyte type to a codec: the service side, where only a ``LiteralType`` is at hand.

All but simple types are imported when the first one appears.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Union

from flyteidl2.core.types_pb2 import LiteralType, SimpleType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import PICKLE_FORMAT, PICKLE_TAG, Codec
from flyte_connectors.types.hints import one_line
from flyte_connectors.types.scalars import SCALARS_BY_NUMBER

_CACHED_TYPES = 1024


def codec_for_literal_type(literal_type: LiteralType) -> Codec:
    """Return the codec of a Flyte type, cached.

    Raises:
        ConversionError: The type is pickled, or unknown to this release.
    """
    if literal_type.HasField("simple") and not literal_type.HasField("structure"):
        codec = SCALARS_BY_NUMBER.get(literal_type.simple)
        if codec is not None:
            return codec
    return _cached(literal_type.SerializeToString(deterministic=True))


@lru_cache(maxsize=_CACHED_TYPES)
def _cached(serialized: bytes) -> Codec:
    try:
        return _build(LiteralType.FromString(serialized))
    except ConversionError:
        raise
    except Exception as error:  # whatever a schema holds, it is the declaration that is wrong
        text = f"the declared type can't be read: {type(error).__name__}: {one_line(error)}"
        raise ConversionError(text) from error


def _build(literal_type: LiteralType) -> Codec:  # noqa: PLR0911 (one line per kind of type)
    kind = literal_type.WhichOneof("type")
    if literal_type.structure.tag == PICKLE_TAG or literal_type.blob.format == PICKLE_FORMAT:
        raise ConversionError(
            "the declared type is a pickle, and pickled values are refused because reading them "
            "runs code: declare a type that Flyte can carry"
        )
    if kind == "simple" and literal_type.simple in SCALARS_BY_NUMBER:
        return SCALARS_BY_NUMBER[literal_type.simple]
    from flyte_connectors.types.containers import list_codec, map_codec, union_codec
    from flyte_connectors.types.enums import choice_codec

    if kind == "collection_type":
        item = codec_for_literal_type(literal_type.collection_type)
        return list_codec(list[item.python_type], list, item)  # type: ignore[name-defined]  # made at run time
    if kind == "map_value_type":
        item = codec_for_literal_type(literal_type.map_value_type)
        return map_codec(dict[str, item.python_type], item)  # type: ignore[name-defined]  # made at run time
    if kind == "union_type":
        variants = [codec_for_literal_type(variant) for variant in literal_type.union_type.variants]
        if not variants:
            raise ConversionError("the declared type is a union without variants")
        python_type: Any = Union[tuple(variant.python_type for variant in variants)]  # noqa: UP007
        return union_codec(python_type, variants)
    if kind == "enum_type":
        return choice_codec(str, tuple(literal_type.enum_type.values))
    if kind in {"blob", "structured_dataset_type"}:
        from flyte_connectors.types.references import declared_reference_codec

        return declared_reference_codec(literal_type)
    if literal_type.simple == SimpleType.STRUCT:
        from flyte_connectors.types.declared_structs import declared_struct_codec

        return declared_struct_codec(literal_type)
    raise _unsupported(literal_type)


def _unsupported(literal_type: LiteralType) -> ConversionError:
    kind = literal_type.WhichOneof("type")
    number = literal_type.simple
    name = kind or "that is not set"
    if kind == "simple":
        known = number in SimpleType.values()
        name = SimpleType.Name(number) if known else f"SimpleType {number}, of a later release,"
    return ConversionError(f"the Flyte type {name} is not supported")
