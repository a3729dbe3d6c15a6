"""The JSON schema that pydantic gives to a model with certain fields, written without pydantic.

The official SDK declares tuples, named tuples and typed dicts by such a schema. The interop tests
hold it against pydantic's own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import pathlib
import types
import typing
import uuid
from typing import Annotated, Any, Union, get_args, get_origin

from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types import hints
from flyte_connectors.types.codec import ConversionError, type_name
from flyte_connectors.types.dataclass_schema import REFERENCES
from flyte_connectors.types.form import NESTED
from flyte_connectors.types.models import model_schema
from flyte_connectors.types.plain import plain_form

if typing.TYPE_CHECKING:
    from collections.abc import Container

Schema = dict[str, Any]


def wrapper_schema(
    title: str, fields: dict[str, Any], optional: Container[str] = (), *, typed: bool = False
) -> Schema:
    """Return the schema of a model.

    Args:
        title: Name of the model.
        fields: Type of each field.
        optional: The fields that default to None.
        typed: Whether typed dicts inside are wrapped too, as they are inside typed dicts.
    """
    writer = _Writer(typed=typed)
    schema = writer.record(title, fields, {name: None for name in fields if name in optional})
    return {"$defs": writer.definitions, **schema} if writer.definitions else schema


class _Writer:
    """Write the schemas of types; collects the definitions that they refer to."""

    def __init__(self, *, typed: bool) -> None:
        self.definitions: dict[str, Schema] = {}
        self._typed = typed

    def record(self, title: str, fields: dict[str, Any], defaults: dict[str, Any]) -> Schema:
        schema: Schema = {
            "title": title,
            "type": "object",
            "properties": {
                name: self._field(name, hint, defaults) for name, hint in fields.items()
            },
        }
        required = [name for name in fields if name not in defaults]
        return {**schema, "required": required} if required else schema

    def _field(self, name: str, hint: Any, defaults: dict[str, Any]) -> Schema:
        schema = dict(self._type(hint))
        if _has_title(hint):
            schema["title"] = name.title().replace("_", " ").strip()
        if name in defaults and defaults[name] is not dataclasses.MISSING:
            schema["default"] = plain_form(hint, NESTED).dump(defaults[name])
        return schema

    def _type(self, hint: Any) -> Schema:  # noqa: PLR0911 (one line per kind of type)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._type(arguments[0])
        if hint in _SCALARS:
            return _SCALARS[hint]
        if origin is Union or origin is types.UnionType:
            return {"anyOf": [self._type(argument) for argument in arguments]}
        if origin is typing.Literal:
            return _choice(arguments)
        if origin is tuple and arguments[1:] != (...,):
            return self._row([self._type(argument) for argument in arguments], len(arguments))
        if origin in {list, tuple}:
            return {"type": "array", "items": self._type(arguments[0])}
        if origin in {set, frozenset}:
            return {"type": "array", "items": self._type(arguments[0]), "uniqueItems": True}
        if origin is dict:
            return self._map(*arguments)
        return self._reference(hint)

    def _row(self, items: list[Schema], required: int) -> Schema:
        return {
            "type": "array",
            "prefixItems": items,
            "minItems": required,
            "maxItems": len(items),
        }

    def _map(self, key: Any, value: Any) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self._type(value)}
        if value is Any:
            schema["additionalProperties"] = True
        if isinstance(key, type) and issubclass(key, enum.Enum):
            schema["propertyNames"] = self._reference(key)
        return schema

    def _reference(self, hint: Any) -> Schema:
        wrapped = self._typed and hints.is_typed_dict(hint)
        name = ("TypedDictWrapper_" if wrapped else "") + getattr(hint, "__name__", str(hint))
        if name not in self.definitions:
            self.definitions[name] = {}  # a type may hold itself
            self.definitions[name] = self._definition(name, hint)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, name: str, hint: Any) -> Schema:
        if hint in REFERENCES:
            return {**REFERENCES[hint], **_MARKS[hint]}
        if hints.is_model(hint):
            schema = model_schema(hint)
            self.definitions.update(schema.pop("$defs", {}))
            return schema
        if hints.is_named_tuple(hint):
            defaults = hint._field_defaults
            fields = hints.fields_of(hint).items()
            items = [self._field(field, inner, defaults) for field, inner in fields]
            return self._row(items, len(items) - len(defaults))
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _with_description(_enum(hint), hint, "An enumeration.")
        if hints.is_typed_dict(hint):
            return self._typed_dict(name, hint)
        if dataclasses.is_dataclass(hint):
            schema = self.record(name, hints.fields_of(hint), _defaults(hint))
            return _with_description(schema, hint, f"{name}(")
        raise ConversionError(
            f"{type_name(hint)} can't stand in a tuple or typed dict: use a dataclass"
        )

    def _typed_dict(self, name: str, hint: Any) -> Schema:
        fields = hints.fields_of(hint)
        if self._typed:
            optional = hints.optional_keys(hint)
            fields = {
                key: Union[inner, None] if key in optional else inner  # noqa: UP007
                for key, inner in fields.items()
            }
            return self.record(name, fields, dict.fromkeys(optional))
        required = hints.required_keys(hint)
        absent = {key: dataclasses.MISSING for key in fields if key not in required}
        return _with_description(self.record(name, fields, absent), hint, "dict(")


def _defaults(hint: Any) -> dict[str, Any]:
    return {
        field.name: field.default
        for field in dataclasses.fields(hint)
        if field.default is not dataclasses.MISSING
        or field.default_factory is not dataclasses.MISSING
    }


def _with_description(schema: Schema, hint: Any, generated: str) -> Schema:
    text = inspect.cleandoc(hint.__doc__ or "")
    return {**schema, "description": text} if text and not text.startswith(generated) else schema


def _enum(hint: type[enum.Enum]) -> Schema:
    kinds = {_KINDS.get(type(member.value)) for member in hint}
    schema: Schema = {"title": hint.__name__, "enum": [member.name for member in hint]}
    kind = kinds.pop() if len(kinds) == 1 else None
    return {**schema, "type": kind} if kind else schema


def _choice(choices: tuple[Any, ...]) -> Schema:
    kinds = {_KINDS.get(type(choice)) for choice in choices}
    schema: Schema = {"const": choices[0]} if len(choices) == 1 else {"enum": list(choices)}
    kind = kinds.pop() if len(kinds) == 1 else None
    return {**schema, "type": kind} if kind else schema


def _has_title(hint: Any) -> bool:
    """Tell whether pydantic titles a field of this type: not where it is only a reference."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _has_title(arguments[0])
    inner = [argument for argument in arguments if argument is not type(None)]
    if (origin is Union or origin is types.UnionType) and len(inner) == 1:
        return _has_title(inner[0])
    return hint in _SCALARS or origin is not None


_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SCALARS: dict[Any, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    bytes: {"type": "string", "format": "binary"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
    dt.timedelta: {"type": "string", "format": "duration"},
    decimal.Decimal: {"anyOf": [{"type": "number"}, {"type": "string"}]},
    uuid.UUID: {"type": "string", "format": "uuid"},
    pathlib.Path: {"type": "string", "format": "path"},
    Any: {},
    object: {},
    dict: {"type": "object", "additionalProperties": True},
    list: {"type": "array", "items": {}},
}
_MARKS = {
    File: {"x-flyte-type": "file"},
    Dir: {"x-flyte-type": "dir"},
    DataFrame: {"x-flyte-type": "dataframe"},
}
