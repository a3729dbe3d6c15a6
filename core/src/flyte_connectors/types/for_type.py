"""From a Python type to its codec: the task side, where the author's own types are at hand.

All but simple types are imported when the first one appears.
"""

from __future__ import annotations

import typing
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin

from flyte_connectors.types import hints
from flyte_connectors.types.scalars import SCALARS

if TYPE_CHECKING:
    from flyte_connectors.types.codec import Codec

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


def _build(python_type: Any) -> Codec:  # noqa: PLR0911 (one line per kind of type)
    if python_type is None:
        return SCALARS[type(None)]
    origin, arguments = get_origin(python_type), get_args(python_type)
    if origin is None and python_type in SCALARS:
        return SCALARS[python_type]
    from flyte_connectors.types.containers import list_codec, map_codec, union_codec
    from flyte_connectors.types.enums import choice_codec

    if hints.is_union(python_type):
        return union_codec(python_type, [codec_for_type(argument) for argument in arguments])
    if origin is typing.Literal:
        return choice_codec(python_type, arguments)
    if origin in {list, set, frozenset} or (origin is tuple and arguments[1:] == (...,)):
        return list_codec(python_type, cast("type", origin), codec_for_type(arguments[0]))
    if origin is dict and arguments[0] is str:
        return map_codec(python_type, codec_for_type(arguments[1]))
    from flyte_connectors.types.for_class import annotated_codec, codec_for_class

    if origin is Annotated:
        return annotated_codec(codec_for_type(arguments[0]), arguments[0], arguments[1:])
    return codec_for_class(python_type)
