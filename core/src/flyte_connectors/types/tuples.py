"""Codecs of ``tuple[A, B]``, named tuples and typed dicts: as msgpack, one entry per field.

The official SDK wraps each in a pydantic model made for it; the title of the schema
(``TupleWrapper_...``) says which of the three it was.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints, models
from flyte_connectors.types.codec import Codec, mismatch, type_name
from flyte_connectors.types.form import MODEL, TYPED, Form, Spelling
from flyte_connectors.types.from_schema import NAMED_TUPLE_TITLE, TUPLE_TITLE, TYPED_DICT_TITLE
from flyte_connectors.types.models import MODEL_TAG
from flyte_connectors.types.plain import plain_form
from flyte_connectors.types.plain.records import load_fields
from flyte_connectors.types.struct_schemas import dataclass_schema
from flyte_connectors.types.structs import struct_codec, struct_type

if TYPE_CHECKING:
    from collections.abc import Container


Schema = dict[str, Any]


def record_schema(
    title: str, fields: dict[str, Any], optional: Container[str] = (), *, typed: bool = False
) -> Schema:
    """Return the schema of a model with these fields, as pydantic writes it; else mashumaro's, which means the same.

    Args:
        title: Name of the model.
        fields: Type of each field.
        optional: The fields that default to None.
        typed: Whether typed dicts inside are models, too, as they are inside typed dicts.

    Raises:
        ConversionError: a field's type can't be described.
    """
    if _has_pydantic():
        return _by_pydantic(title, fields, optional, typed=typed)
    return _by_mashumaro(title, fields, optional)


@lru_cache(maxsize=1)
def _has_pydantic() -> bool:
    return importlib.util.find_spec("pydantic") is not None


def _by_pydantic(
    title: str, fields: dict[str, Any], optional: Container[str], *, typed: bool
) -> Schema:
    from pydantic import PydanticUserError

    try:
        return models.model_schema(_model(title, fields, optional, typed=typed))
    except PydanticUserError as error:
        raise _unsupported(error) from None


def _model(title: str, fields: dict[str, Any], optional: Container[str], *, typed: bool) -> Any:
    from pydantic import create_model

    types = {name: _with_models(hint) if typed else hint for name, hint in fields.items()}
    definitions: Any = {
        name: (hint, None) if name in optional else (hint, ...) for name, hint in types.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field may be called `json`
        return create_model(title, **definitions)


def _with_models(hint: Any) -> Any:
    """`hint` with each typed dict in it as the model that the official SDK makes of it."""
    if hints.is_typed_dict(hint):
        return _typed_dict_model(hint)
    arguments = get_args(hint)
    if not arguments or not any(map(_holds_typed_dict, arguments)):
        return hint
    inner = tuple(map(_with_models, arguments))
    return Union[inner] if hints.is_union(hint) else get_origin(hint)[inner]  # noqa: UP007


def _holds_typed_dict(hint: Any) -> bool:
    return hints.is_typed_dict(hint) or any(map(_holds_typed_dict, get_args(hint)))


@lru_cache(maxsize=256)
def _typed_dict_model(python_type: Any) -> Any:
    fields, optional = typed_dict_fields(python_type)
    return _model(TYPED_DICT_TITLE + python_type.__name__, fields, optional, typed=True)


def typed_dict_fields(python_type: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the type of each key, and the keys that may be missing, which may be None, too."""
    optional = hints.optional_keys(python_type)
    fields = {
        name: Union[hint, None] if name in optional else hint  # noqa: UP007
        for name, hint in hints.fields_of(python_type).items()
    }
    return fields, optional


def _by_mashumaro(title: str, fields: dict[str, Any], optional: Container[str]) -> Schema:
    required = [(name, hint) for name, hint in fields.items() if name not in optional]
    others = [
        (name, hint, dataclasses.field(default=None))
        for name, hint in fields.items()
        if name in optional
    ]
    schema = dataclass_schema(dataclasses.make_dataclass(title, [*required, *others]))
    if schema is None:
        raise _unsupported(f"no JSON schema for {', '.join(fields)}")
    return schema


def _unsupported(reason: object) -> ConversionError:
    text = " ".join(str(reason).split())
    return ConversionError(f"can't stand in a tuple or typed dict: use a dataclass ({text})")


def tuple_codec(python_type: Any) -> Codec:
    """Return the codec of ``tuple[A, B]``."""
    title = TUPLE_TITLE + getattr(python_type, "__name__", "tuple")
    schema = record_schema(title, _fields(python_type))
    return struct_codec(
        python_type, struct_type(schema, MODEL_TAG), "Typed Tuple", record_form(python_type, MODEL)
    )


def named_tuple_codec(python_type: Any) -> Codec:
    """Return the codec of a named tuple class."""
    schema = record_schema(NAMED_TUPLE_TITLE + python_type.__name__, _fields(python_type))
    return struct_codec(
        python_type, struct_type(schema, MODEL_TAG), "NamedTuple", record_form(python_type, MODEL)
    )


def typed_dict_codec(python_type: Any) -> Codec:
    """Return the codec of a typed dict class."""
    title = TYPED_DICT_TITLE + python_type.__name__
    fields, optional = typed_dict_fields(python_type)
    schema = record_schema(title, fields, optional, typed=True)
    form = plain_form(python_type, TYPED)
    return struct_codec(python_type, struct_type(schema, MODEL_TAG), "TypedDict", form)


def record_form(python_type: Any, spelling: Spelling) -> Form:
    """Return the plain form of a whole tuple, a dict (inside other values it is a list)."""
    name, fields = type_name(python_type), _fields(python_type)
    make = getattr(python_type, "_make", tuple)
    forms = {field: plain_form(hint, spelling) for field, hint in fields.items()}
    dumps = {field: Form(form.dump, form.dump) for field, form in forms.items()}

    def dump(value: Any) -> dict[str, Any]:
        if not isinstance(value, tuple):
            raise mismatch(name, value)
        if len(value) != len(fields):
            raise ConversionError(f"expected {len(fields)} items for {name}, got {len(value)}")
        return load_fields(name, dumps, fields, dict(zip(fields, value, strict=True)))

    def load(plain: Any) -> Any:
        loaded = load_fields(name, forms, fields, plain)
        return make([loaded[field] for field in fields])

    return Form(dump, load)


def _fields(python_type: Any) -> dict[str, Any]:
    if hints.is_named_tuple(python_type):
        return hints.fields_of(python_type)
    return {f"item_{i}": argument for i, argument in enumerate(get_args(python_type))}
