"""Codecs of ``tuple[A, B]``, named tuples and typed dicts: as msgpack, one entry per field.

The official SDK wraps each in a pydantic model made for it; the title of the schema
(``TupleWrapper_...``) says which of the three it was.
"""

from __future__ import annotations

from typing import Any, get_args

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints
from flyte_connectors.types.codec import Codec, mismatch, type_name
from flyte_connectors.types.form import MODEL, TYPED, Form, Spelling
from flyte_connectors.types.from_schema import NAMED_TUPLE_TITLE, TUPLE_TITLE, TYPED_DICT_TITLE
from flyte_connectors.types.models import MODEL_TAG
from flyte_connectors.types.plain import plain_form
from flyte_connectors.types.plain.records import load_fields
from flyte_connectors.types.record_schema import record_schema, typed_dict_fields
from flyte_connectors.types.structs import struct_codec, struct_type


def tuple_codec(python_type: Any) -> Codec:
    """Return the codec of ``tuple[A, B]``."""
    title = TUPLE_TITLE + getattr(python_type, "__name__", "tuple")
    schema = record_schema(title, _fields(python_type))
    return struct_codec(python_type, struct_type(schema, MODEL_TAG), "Typed Tuple", record_form(python_type, MODEL))


def named_tuple_codec(python_type: Any) -> Codec:
    """Return the codec of a named tuple class."""
    schema = record_schema(NAMED_TUPLE_TITLE + python_type.__name__, _fields(python_type))
    return struct_codec(python_type, struct_type(schema, MODEL_TAG), "NamedTuple", record_form(python_type, MODEL))


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
