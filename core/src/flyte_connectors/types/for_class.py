"""Codecs of classes and of types made of them. Imported when the first of these appears."""

from __future__ import annotations

import dataclasses
import enum
import functools
from typing import Annotated, Any, cast, get_args, get_origin

from flyteidl2.core.types_pb2 import LiteralType, StructuredDatasetType

from flyte_connectors.errors import ConversionError
from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types import hints
from flyte_connectors.types.codec import Codec, type_name
from flyte_connectors.types.enums import enum_codec
from flyte_connectors.types.references import blob_codec, columns_of, dataframe_codec
from flyte_connectors.types.structs import dataclass_codec, dict_codec, model_codec
from flyte_connectors.types.texts import TEXTS, text_codec
from flyte_connectors.types.tuples import named_tuple_codec, tuple_codec, typed_dict_codec


def codec_for_class(python_type: Any) -> Codec:
    """Return the codec of a class, or of a tuple or dict that is not a list or map on the wire.

    Raises:
        ConversionError: The type has no safe form on the wire.
    """
    origin = get_origin(python_type)
    if origin is tuple:
        return tuple_codec(python_type)
    if python_type is dict or origin is dict:
        return dict_codec(python_type)
    if dataclasses.is_dataclass(origin):
        return dataclass_codec(python_type)
    if origin is None and isinstance(python_type, type):
        return _class(python_type)
    raise _unsupported(python_type)


def _class(python_type: Any) -> Codec:  # noqa: PLR0911 (one line per kind of type)
    if python_type in TEXTS:
        return text_codec(python_type)
    if issubclass(python_type, enum.Enum):
        return enum_codec(python_type)
    if issubclass(python_type, (File, Dir)):
        return blob_codec(python_type, must_exist=True)
    if issubclass(python_type, DataFrame):
        return dataframe_codec(StructuredDatasetType())
    if hints.is_named_tuple(python_type):
        return named_tuple_codec(python_type)
    if hints.is_typed_dict(python_type):
        return typed_dict_codec(python_type)
    if hints.is_model(python_type):
        return model_codec(python_type)
    if dataclasses.is_dataclass(python_type):
        return dataclass_codec(python_type)
    raise _unsupported(python_type)


def annotated_codec(codec: Codec, python_type: Any, notes: tuple[Any, ...]) -> Codec:
    """Return the codec of ``Annotated[python_type, *notes]``, given the one of ``python_type``."""
    if hints.is_subclass(python_type, DataFrame):
        return dataframe_codec(_declared_table(notes))
    described = described_type(codec.literal_type, python_type, notes)
    return codec._replace(literal_type=described)


def _declared_table(notes: tuple[Any, ...]) -> StructuredDatasetType:
    declared = StructuredDatasetType()
    for note in notes:
        if isinstance(note, str):
            declared.format = note
        elif isinstance(note, dict):
            declared.columns.extend(columns_of(note))
        elif dataclasses.is_dataclass(note):
            declared.columns.extend(columns_of(hints.fields_of(note)))
    return declared


def _unsupported(python_type: Any) -> ConversionError:
    name = type_name(python_type)
    if python_type is Any:
        hint = "declare a concrete type, or dict for free-form data"
    elif python_type in {list, tuple, set, frozenset}:
        hint = f"say what it holds, such as {name}[int]"
    else:
        hint = "use a dataclass, or turn the value into one of Flyte's types before it is passed"
    return ConversionError(f"{name} can't be carried by Flyte without pickle: {hint}")


_STRUCTURE = {
    *("$defs", "$ref", "additionalProperties", "allOf", "anyOf", "default", "discriminator"),
    *("items", "oneOf", "prefixItems", "properties", "required", "type"),
}
"""Keys of a JSON schema that repeat what the Flyte type says already."""


def described_type(literal_type: LiteralType, python_type: Any, notes: tuple[Any, ...]) -> LiteralType:
    """Return a Flyte type with what ``pydantic.Field(...)`` among ``notes`` says: limits, patterns, a description.

    It goes into the metadata of the type, where consoles look for it; values are not checked against it.
    """
    ours = tuple(note for note in notes if _is_pydantic(note))
    if not ours:
        return literal_type
    extra = _extra_schema(python_type, ours)
    described = LiteralType()
    described.CopyFrom(literal_type)
    if extra:
        described.metadata.update(extra)
    variants = described.union_type.variants
    for variant, argument in zip(variants, get_args(python_type), strict=False):
        if argument is not type(None):
            variant.CopyFrom(described_type(variant, argument, ours))
            for key in extra:
                variant.metadata.fields.pop(key, None)
    return described


def _is_pydantic(note: Any) -> bool:
    return type(note).__module__.partition(".")[0] in {"annotated_types", "pydantic"}


def _extra_schema(python_type: Any, notes: tuple[Any, ...]) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    annotated = functools.reduce(lambda inner, note: Annotated[inner, note], notes, python_type)
    try:
        bare = TypeAdapter(python_type).json_schema()
        full = TypeAdapter(cast("Any", annotated)).json_schema()
    except (PydanticUserError, TypeError):  # pydantic can't describe the type: nothing to add
        return {}
    return {
        key: value for key, value in full.items() if key not in _STRUCTURE and (key not in bare or bare[key] != value)
    }
