"""Codecs of structs: dataclasses, untyped dicts and dicts with other keys than text, as msgpack.

The Flyte type of a dataclass carries its JSON schema, by which a service that lacks the class can
rebuild one (``declared_structs``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl2.core.types_pb2 import LiteralType, SimpleType
from google.protobuf import json_format

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import models
from flyte_connectors.types.codec import Codec, wrong_literal
from flyte_connectors.types.form import FIELDS, Form
from flyte_connectors.types.msgpack_binary import binary_literal, holds_msgpack, unpack
from flyte_connectors.types.plain import plain_form

if TYPE_CHECKING:
    from flyteidl2.core.literals_pb2 import Literal

DATACLASS_TAG = "Object-Dataclass-Transformer"
DICT_TAG = "Typed Dict"


def struct_type(schema: dict[str, Any] | None = None, tag: str = "") -> LiteralType:
    """Return Flyte's type of values that travel as msgpack, with a JSON schema if there is one."""
    literal_type = LiteralType(simple=SimpleType.STRUCT)
    literal_type.annotation.annotations.update({"cache-key-metadata": {"serialization-format": "msgpack"}})
    if schema is not None:
        literal_type.metadata.update(schema)
    if tag:
        literal_type.structure.tag = tag
    return literal_type


def struct_codec(python_type: Any, literal_type: LiteralType, tag: str, form: Form) -> Codec:
    """Return the codec of a type that has a plain form."""

    def encode(value: Any) -> Literal:
        try:
            return binary_literal(form.dump(value))
        except RecursionError:
            raise ConversionError("the value is nested too deep, or contains itself") from None

    def decode(literal: Literal) -> Any:
        if holds_msgpack(literal):
            return form.load(unpack(literal))
        if literal.scalar.HasField("generic"):  # typed into a form in a browser
            return form.load(whole_numbers(json_format.MessageToDict(literal.scalar.generic)))
        raise wrong_literal(getattr(python_type, "__name__", "struct"), literal)

    return Codec(python_type, literal_type, tag, encode, decode)


def dataclass_codec(python_type: Any) -> Codec:
    """Return the codec of a dataclass. Raises ConversionError for fields without a plain form."""
    from flyte_connectors.types.struct_schemas import dataclass_schema

    form = plain_form(python_type, FIELDS)
    from_dict = form.load

    def dump(value: Any) -> Any:
        # A dict stands for the dataclass, as in the official SDK; missing fields take defaults.
        return form.dump(from_dict(value) if isinstance(value, dict) else value)

    literal_type = struct_type(dataclass_schema(python_type), DATACLASS_TAG)
    return struct_codec(python_type, literal_type, DATACLASS_TAG, Form(dump, form.load))


def model_codec(python_type: Any) -> Codec:
    """Return the codec of a pydantic model."""
    literal_type = struct_type(models.model_schema(python_type), models.MODEL_TAG)
    return struct_codec(python_type, literal_type, models.MODEL_TAG, plain_form(python_type, FIELDS))


def dict_codec(python_type: Any) -> Codec:
    """Return the codec of ``dict``, which holds plain data, or of ``dict[K, V]``, K not text."""
    return struct_codec(python_type, struct_type(), DICT_TAG, plain_form(python_type, FIELDS))


def whole_numbers(value: Any) -> Any:
    """Turn 3.0 back into 3: a ``google.protobuf.Struct`` holds all numbers as doubles."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return value
