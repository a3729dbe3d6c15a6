"""From a JSON schema back to Python types, where a struct's schema is known but not its class.

Objects become dataclasses made on the spot, with attributes, defaults and nesting. As in the
official SDK, what JSON only describes (dates, decimals, enums) stays what msgpack holds: text or
numbers. No name in a schema is imported.
"""

from __future__ import annotations

import dataclasses
import keyword
from functools import partial
from typing import Any, NamedTuple, Optional, TypedDict, Union

from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types.form import FIELDS
from flyte_connectors.types.plain import plain_form
from flyte_connectors.types.plain.records import OMIT_NONE

Schema = dict[str, Any]

TUPLE_TITLE = "TupleWrapper_"
NAMED_TUPLE_TITLE = "NamedTupleWrapper_"
TYPED_DICT_TITLE = "TypedDictWrapper_"

_REFERENCES = {("File", "path"): File, ("Dir", "path"): Dir, ("DataFrame", "uri"): DataFrame}
_SIMPLE = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
_DEEPEST = 32


def type_from_schema(schema: Schema) -> Any:
    """Return the Python type that a struct's schema describes: a dataclass, a tuple or ``dict``."""
    reader = _Reader(schema.get("$defs") or schema.get("definitions") or {})
    title = schema.get("title", "")
    if title.startswith(TUPLE_TITLE):
        fields = _ordered(schema)
        count = len(fields)
        return tuple[tuple(reader.type(fields[f"item_{i}"]) for i in range(count))]  # type: ignore[misc]  # made at run time
    if title.startswith(NAMED_TUPLE_TITLE):
        named = [(name, reader.type(field)) for name, field in _ordered(schema).items()]
        return NamedTuple(title.removeprefix(NAMED_TUPLE_TITLE), named)
    return reader.type(schema)


class _Reader:
    """Read the types in one schema."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions
        self._depth = 0

    def type(self, schema: Any) -> Any:
        """Return the type of a part of the schema; ``Any`` where it is silent or too deep."""
        if not isinstance(schema, dict) or self._depth > _DEEPEST:
            return Any
        self._depth += 1
        try:
            return self._type(schema)
        finally:
            self._depth -= 1

    def _type(self, schema: Schema) -> Any:  # noqa: PLR0911 (one line per kind of type)
        if "$ref" in schema:
            return self.type(self._definitions.get(schema["$ref"].rpartition("/")[2]))
        variants = schema.get("anyOf") or schema.get("oneOf")
        if variants:
            return Union[tuple(self.type(variant) for variant in variants)]  # noqa: UP007
        if "enum" in schema or "const" in schema:
            return Any
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string" and schema.get("format") == "base64":
            return bytes
        return _SIMPLE.get(kind, Any) if isinstance(kind, str) else Any

    def _array(self, schema: Schema) -> Any:
        if "prefixItems" in schema:
            return tuple[tuple(self.type(item) for item in schema["prefixItems"])]  # type: ignore[misc]  # made at run time
        return list[self.type(schema["items"])] if schema.get("items") else list  # type: ignore[misc]  # made at run time

    def _object(self, schema: Schema) -> Any:
        values = schema.get("additionalProperties")
        if "properties" not in schema:
            if not values:
                return dict
            keys = self.type(schema.get("propertyNames", {"type": "string"}))
            return dict[keys, Any if values is True else self.type(values)]  # type: ignore[valid-type,misc]  # made at run time
        title = schema.get("title", "Struct")
        for (reference_title, field), reference in _REFERENCES.items():
            if title == reference_title and field in schema["properties"]:
                return reference
        if values or not all(name.isidentifier() and not keyword.iskeyword(name) for name in _ordered(schema)):
            return dict  # it holds more than its fields, or fields that are not attributes
        if title.startswith(TYPED_DICT_TITLE) or "title" not in schema:
            return self._typed_dict(title.removeprefix(TYPED_DICT_TITLE), schema)
        return self._dataclass(title, schema)

    def _typed_dict(self, title: str, schema: Schema) -> Any:
        fields = {name: self.type(field) for name, field in _ordered(schema).items()}
        made = TypedDict(title, fields)  # type: ignore[misc]  # made at run time
        made.__required_keys__ = frozenset(schema.get("required", ()))
        return made

    def _dataclass(self, title: str, schema: Schema) -> Any:
        required = schema.get("required", ())
        fields: list[Any] = []
        for name, field in _ordered(schema).items():
            python_type = self.type(field)
            if "default" in field:
                default = partial(_default, python_type, field["default"])
                fields.append((name, python_type, dataclasses.field(default_factory=default)))
            elif name in required:
                fields.append((name, python_type))
            else:  # it may be missing, or its default is known to the author's class only
                blank = dataclasses.field(default=None, metadata={OMIT_NONE: True})
                fields.append((name, Optional[python_type], blank))  # noqa: UP045
        return dataclasses.make_dataclass(title if title.isidentifier() else "Struct", fields)


def _ordered(schema: Schema) -> dict[str, Schema]:
    """Return the fields, required ones first: their list kept its order, the fields did not."""
    properties = schema.get("properties", {})
    names = [name for name in schema.get("required", ()) if name in properties]
    return {name: properties[name] for name in [*names, *(n for n in properties if n not in names)]}


def _default(python_type: Any, plain: Any) -> Any:
    return plain_form(python_type, FIELDS).load(plain)
