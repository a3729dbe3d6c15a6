"""Codec of structs of which only Flyte's type is known: the service side.

With a JSON schema in the type, values are read as the type rebuilt from it, and written if they fit
it, be they instances of that type, of the author's own class, or dicts. Without one (it was dropped
to save room) they are read as plain data and written as they are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, get_origin

from google.protobuf import json_format

from flyte_connectors.types import hints
from flyte_connectors.types.codec import convert_at
from flyte_connectors.types.form import FIELDS, MODEL, Form
from flyte_connectors.types.from_schema import type_from_schema
from flyte_connectors.types.models import MODEL_TAG
from flyte_connectors.types.plain import plain_form
from flyte_connectors.types.structs import DICT_TAG, struct_codec, whole_numbers
from flyte_connectors.types.tuples import record_form

if TYPE_CHECKING:
    from flyteidl2.core.types_pb2 import LiteralType

    from flyte_connectors.types.codec import Codec
    from flyte_connectors.types.form import Spelling


def dump_undeclared(value: Any, spelling: Spelling) -> Any:
    """Return plain data for a value of any supported type. Raises ConversionError for others."""
    if isinstance(value, dict):
        return {
            key: convert_at(lambda v: dump_undeclared(v, spelling), inner, f"[{key!r}]") for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [convert_at(lambda v: dump_undeclared(v, spelling), inner, f"[{i}]") for i, inner in enumerate(value)]
    return plain_form(type(value), spelling).dump(value)


def dump_undeclared_struct(value: Any, spelling: Spelling) -> Any:
    """Return the same for a whole struct, where a tuple is a record and not a list."""
    if hints.is_named_tuple(type(value)):
        value = value._asdict()
    elif isinstance(value, tuple):
        value = {f"item_{i}": item for i, item in enumerate(value)}
    return dump_undeclared(value, spelling)


_MODEL_TAGS = (MODEL_TAG, "Typed Tuple", "NamedTuple", "TypedDict")


def declared_struct_codec(literal_type: LiteralType) -> Codec:
    """Return the codec of a type that is ``SimpleType.STRUCT``."""
    tag = literal_type.structure.tag or DICT_TAG
    undeclared = partial(dump_undeclared_struct, spelling=MODEL if tag in _MODEL_TAGS else FIELDS)
    schema = whole_numbers(json_format.MessageToDict(literal_type.metadata))
    if "title" not in schema:
        return struct_codec(dict, literal_type, tag, Form(undeclared, _same))
    python_type = type_from_schema(schema)
    is_record = hints.is_named_tuple(python_type) or get_origin(python_type) is tuple
    form = record_form(python_type, FIELDS) if is_record else plain_form(python_type, FIELDS)

    def dump(value: Any) -> Any:
        return form.dump(value if type(value) is python_type else form.load(undeclared(value)))

    return struct_codec(python_type, literal_type, tag, Form(dump, form.load))


def _same(value: Any) -> Any:
    return value
