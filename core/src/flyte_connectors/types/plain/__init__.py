"""From a type to its plain form: how a value becomes data that msgpack knows, and comes back.

    scalars.py      numbers, text, dates and times, enums, choices
    containers.py   lists, maps, tuples, unions
    records.py      dataclasses, typed dicts
    handwritten.py  what people may write otherwise on the command line

The walk over dataclasses and containers is done here because it has to check: mashumaro writes wrong values
without an error, coerces values while reading (``bool("no")``) and drops unknown fields. Types that are not
in these tables, and every dataclass that is customised for
mashumaro, are left to mashumaro.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections import abc
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Annotated, Any, Union, get_args, get_origin

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints
from flyte_connectors.types.codec import type_name
from flyte_connectors.types.form import (
    ENUMS_BY_NAME,
    FIELDS,
    HANDWRITTEN,
    NESTED,
    TYPED,
    Form,
    Spelling,
    inside,
)
from flyte_connectors.types.models import model_form
from flyte_connectors.types.plain import containers
from flyte_connectors.types.plain.records import dataclass_form, typed_dict_form
from flyte_connectors.types.plain.scalars import JSON_INT_KEY, choice_form, enum_form, scalar_form

_CACHED_TYPES = 1024


def plain_form(python_type: Any, spelling: Spelling) -> Form:
    """Return the plain form of a type, cached.

    Raises:
        ConversionError: The type has none.
    """
    try:
        return _cached(python_type, repr(python_type), spelling)
    except TypeError:  # not hashable
        return _build(python_type, spelling)


@lru_cache(maxsize=_CACHED_TYPES)
def _cached(python_type: Any, _text: str, spelling: Spelling) -> Form:
    return _build(python_type, spelling)


def _build(python_type: Any, spelling: Spelling) -> Form:
    form = _scalar(python_type, spelling)
    if form is not None:
        return form
    if python_type is Any or python_type is object:
        return Form(_same, _same)
    if python_type is list or python_type is dict:
        return containers.untyped_form(python_type)
    origin = get_origin(python_type)
    if origin is not None:
        return _generic(python_type, origin, get_args(python_type), spelling)
    return _class(python_type, spelling)


def _scalar(python_type: Any, spelling: Spelling) -> Form | None:
    if spelling is HANDWRITTEN:
        from flyte_connectors.types.plain.handwritten import handwritten_form

        return handwritten_form(python_type) or scalar_form(python_type, spelling)
    return scalar_form(python_type, spelling)


def _generic(  # noqa: PLR0911 (one line per kind of type)
    python_type: Any, origin: Any, arguments: tuple[Any, ...], spelling: Spelling
) -> Form:
    if origin is Annotated:
        return plain_form(arguments[0], spelling)
    if hints.is_union(python_type):
        # The official SDK finds enums behind Optional[T], not behind T | None or in other unions.
        is_optional = origin is Union and len({*arguments} - {type(None)}) == 1
        by_value = spelling in ENUMS_BY_NAME and spelling is not HANDWRITTEN and not is_optional
        within = NESTED if by_value else spelling
        return containers.union_form(python_type, [(a, plain_form(a, within)) for a in arguments])
    if origin is typing.Literal and not any(isinstance(a, enum.Enum) for a in arguments):
        return choice_form(arguments)
    if origin is list:
        return containers.sequence_form(python_type, list, plain_form(arguments[0], spelling))
    if origin is abc.Sequence:
        item = plain_form(arguments[0], spelling)
        return containers.sequence_form(python_type, list, item, accepts=(list, tuple))
    if origin in {set, frozenset} or (origin is tuple and arguments[1:] == (...,)):
        return containers.sequence_form(python_type, origin, plain_form(arguments[0], inside(spelling)))
    if origin is tuple:
        row = [(f"[{i}]", plain_form(a, inside(spelling))) for i, a in enumerate(arguments)]
        return containers.row_form(python_type, tuple, row)
    if origin is dict or origin is abc.Mapping:
        text_keys = spelling is not FIELDS and arguments[0] is int
        key = JSON_INT_KEY if text_keys else plain_form(arguments[0], spelling)
        return containers.map_form(python_type, key, plain_form(arguments[1], spelling))
    return _by_mashumaro(python_type)


def _class(python_type: Any, spelling: Spelling) -> Form:
    if hints.is_model(python_type):
        return model_form(python_type)
    if hints.is_subclass(python_type, enum.Enum):
        return enum_form(python_type, by_name=spelling in ENUMS_BY_NAME)
    if hints.is_named_tuple(python_type):
        fields = hints.fields_of(python_type)
        row = [(f".{name}", plain_form(hint, inside(spelling))) for name, hint in fields.items()]
        return containers.row_form(python_type, python_type._make, row)
    if hints.is_typed_dict(python_type):
        within = TYPED if spelling is TYPED else inside(spelling)
        form_of = partial(plain_form, spelling=within)
        return typed_dict_form(python_type, form_of, write_missing=within is TYPED)
    if dataclasses.is_dataclass(python_type) and not hints.is_customised(python_type):
        return dataclass_form(python_type, partial(plain_form, spelling=inside(spelling)))
    return _by_mashumaro(python_type)


def _same(value: Any) -> Any:
    return value


def _by_mashumaro(python_type: Any) -> Form:
    from mashumaro.codecs.msgpack import MessagePackDecoder, MessagePackEncoder

    name = type_name(python_type)
    try:
        encode = MessagePackEncoder(python_type, post_encoder_func=None).encode
        decode = MessagePackDecoder(python_type, pre_decoder_func=None).decode
    except Exception as error:
        raise ConversionError(f"{name} has no plain form: {hints.one_line(error)}") from None

    def guarded(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(value: Any) -> Any:
            try:
                return convert(value)
            except Exception as error:
                raise ConversionError(f"expected {name}: {hints.one_line(error)}") from None

        return run

    return Form(guarded(encode), guarded(decode))
