"""From a Python type to its codec: the task side, where the author's own types are at hand."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from flyteidl2.core.types_pb2 import StructuredDatasetType

from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types import hints
from flyte_connectors.types.codec import Codec, ConversionError, type_name
from flyte_connectors.types.columns import columns_of
from flyte_connectors.types.containers import list_codec, map_codec
from flyte_connectors.types.descriptions import described_type
from flyte_connectors.types.enums import choice_codec, enum_codec
from flyte_connectors.types.references import blob_codec, dataframe_codec
from flyte_connectors.types.scalars import SCALARS
from flyte_connectors.types.structs import dataclass_codec, dict_codec, model_codec
from flyte_connectors.types.tuples import named_tuple_codec, tuple_codec, typed_dict_codec
from flyte_connectors.types.unions import union_codec

_CACHED_TYPES = 1024


def codec_for_type(python_type: Any) -> Codec:
    """Return the codec of a Python type, cached.

    Raises:
        ConversionError: The type has no safe form on the wire, such as ``Any`` or a bare ``list``.
    """
    try:
        # Equal types may read differently (int | str == str | int), and the order is on the wire.
        return _cached(python_type, repr(python_type))
    except TypeError:  # not hashable: ``Annotated`` with a list or a dict in it
        return _build(python_type)


@lru_cache(maxsize=_CACHED_TYPES)
def _cached(python_type: Any, _spelling: str) -> Codec:
    return _build(python_type)


def _build(python_type: Any) -> Codec:
    if python_type is None:
        return SCALARS[type(None)]
    origin = get_origin(python_type)
    if origin is not None:
        return _generic(python_type, origin, get_args(python_type))
    if python_type in SCALARS:
        return SCALARS[python_type]
    if python_type is dict:
        return dict_codec(python_type)
    if isinstance(python_type, type):
        return _class(python_type)
    raise unsupported(python_type)


def _generic(python_type: Any, origin: Any, arguments: tuple[Any, ...]) -> Codec:  # noqa: PLR0911 (one line per kind of type)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is Union or origin is types.UnionType:
        return union_codec(python_type, [codec_for_type(argument) for argument in arguments])
    if origin is typing.Literal:
        return choice_codec(python_type, arguments)
    if origin in {list, set, frozenset} or (origin is tuple and arguments[1:] == (...,)):
        return list_codec(python_type, origin, codec_for_type(arguments[0]))
    if origin is tuple:
        return tuple_codec(python_type)
    if origin is dict and arguments[0] is str:
        return map_codec(python_type, codec_for_type(arguments[1]))
    if origin is dict:
        return dict_codec(python_type)
    if dataclasses.is_dataclass(origin):
        return dataclass_codec(python_type)
    raise unsupported(python_type)


def _class(python_type: Any) -> Codec:  # noqa: PLR0911 (one line per kind of type)
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
    raise unsupported(python_type)


def _annotated(python_type: Any, notes: tuple[Any, ...]) -> Codec:
    if isinstance(python_type, type) and issubclass(python_type, DataFrame):
        return dataframe_codec(_declared_table(notes))
    codec = codec_for_type(python_type)
    described = described_type(codec.literal_type, python_type, notes)
    return Codec(codec.python_type, described, codec.tag, codec.encode, codec.decode)


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


def unsupported(python_type: Any) -> ConversionError:
    """Return the error for a type without a safe form, with the way out."""
    name = type_name(python_type)
    if python_type is Any:
        hint = "declare a concrete type, or dict for free-form data"
    elif python_type in {list, tuple, set, frozenset}:
        hint = f"say what it holds, such as {name}[int]"
    else:
        hint = "use a dataclass, or turn the value into one of Flyte's types before it is passed"
    return ConversionError(f"{name} can't be carried by Flyte without pickle: {hint}")
