"""From a Python type to its codec: the task side, where the author's own types are at hand."""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from flyte_connectors.types.codec import Codec, ConversionError, type_name
from flyte_connectors.types.containers import list_codec, map_codec
from flyte_connectors.types.scalars import SCALARS
from flyte_connectors.types.unions import union_codec

_CACHED_TYPES = 1024


def codec_for_type(python_type: Any) -> Codec:
    """Returns the codec of a Python type, cached.

    Raises:
        ConversionError: The type has no safe form on the wire, such as ``Any`` or a bare ``list``.
    """
    try:
        # Equal types may read differently (``int | str == str | int``), and the order is on the wire.
        return _cached(python_type, repr(python_type))
    except TypeError:  # not hashable: ``Annotated`` with a list or a dict in it
        return _build(python_type)


@lru_cache(maxsize=_CACHED_TYPES)
def _cached(python_type: Any, _spelling: str) -> Codec:
    return _build(python_type)


def _build(python_type: Any) -> Codec:
    if python_type is None:
        return SCALARS[type(None)]
    origin, arguments = get_origin(python_type), get_args(python_type)
    if origin is Annotated:
        return codec_for_type(arguments[0])
    if origin is Union or origin is types.UnionType:
        return union_codec(python_type, [codec_for_type(argument) for argument in arguments])
    if origin is list:
        return list_codec(python_type, list, codec_for_type(arguments[0]))
    if origin in {set, frozenset} or (origin is tuple and arguments[1:] == (...,)):
        return list_codec(python_type, origin, codec_for_type(arguments[0]))
    if origin is dict and arguments[0] is str:
        return map_codec(python_type, codec_for_type(arguments[1]))
    scalar = SCALARS.get(python_type)
    if scalar is not None:
        return scalar
    raise unsupported(python_type)


def unsupported(python_type: Any) -> ConversionError:
    """Returns the error for a type without a safe form, with the way out."""
    name = type_name(python_type)
    if python_type is Any:
        hint = "declare a concrete type, or dict for free-form data"
    elif python_type in {list, tuple, set, frozenset}:
        hint = f"say what it holds, such as {name}[int]"
    else:
        hint = "use a dataclass, or turn the value into one of Flyte's types before it is passed"
    return ConversionError(f"{name} can't be carried by Flyte without pickle: {hint}")
