"""The BigQuery type of a query parameter, from a Python type, from SQL or from a Flyte type.

All three ways end in a REST `QueryParameterType` as a plain dict, which travels in the task's
`custom`: on Flyte's wire a date, a moment and a clock time look alike, and so do text and decimals.

    from_python(list[datetime.date])        what `BigQueryTask(inputs=...)` declares
    from_sql("ARRAY<BIGNUMERIC>")           what `BigQueryConfig.parameter_types` overrides
    from_literal_type(literal_type)         for tasks of the official SDK
    checked(parameter_type)                 what comes in a request

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter#queryparametertype
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import re
import types
import typing
from typing import TYPE_CHECKING, Any

from flyte_connectors.io import DataFrame, Dir, File

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.core.types_pb2 import LiteralType

ParameterType = dict[str, Any]
"""A REST `QueryParameterType`: `type`, and `arrayType`, `structTypes` or `rangeElementType`."""

SCALARS = (
    *("BOOL", "INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "STRING", "BYTES"),
    *("DATE", "DATETIME", "TIME", "TIMESTAMP", "JSON", "GEOGRAPHY", "INTERVAL"),
)
"""The types without parts that a parameter may have."""

RANGE_ELEMENTS = ("DATE", "DATETIME", "TIMESTAMP")
"""The types that a RANGE can be of."""

_ALIASES = {
    **dict.fromkeys(("INT", "SMALLINT", "INTEGER", "BIGINT", "TINYINT", "BYTEINT"), "INT64"),
    "BOOLEAN": "BOOL",
    "FLOAT": "FLOAT64",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
    "RECORD": "STRUCT",
}
"""https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_properties"""

_BY_PYTHON_TYPE = {
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    decimal.Decimal: "NUMERIC",
    str: "STRING",
    bytes: "BYTES",
    datetime.date: "DATE",
    datetime.datetime: "TIMESTAMP",
    datetime.time: "TIME",
    datetime.timedelta: "INTERVAL",
    dict: "JSON",
}

_BY_SIMPLE_TYPE = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "STRING": "STRING",
    "BOOLEAN": "BOOL",
    "BINARY": "BYTES",
    # The official connector sends every datetime as DATETIME; its queries are written for that.
    "DATETIME": "DATETIME",
    "DURATION": "INTERVAL",
    "STRUCT": "JSON",
}


class ParameterTypeError(TypeError):
    """A type that no query parameter can have; the text is one line."""


def from_python(python_type: Any) -> ParameterType:
    """The parameter type for values of `python_type`.

    Raises:
        ParameterTypeError: BigQuery has no counterpart.
    """
    python_type = _without_optional(python_type)
    origin = typing.get_origin(python_type) or python_type
    if origin in _BY_PYTHON_TYPE:
        return {"type": _BY_PYTHON_TYPE[origin]}
    if origin is list:
        (element,) = typing.get_args(python_type) or (Any,)
        return _array(from_python(element))
    if origin is tuple:
        parts = [_without_optional(part) for part in typing.get_args(python_type)]
        if len(parts) == 2 and parts[0] is parts[1] and parts[0] in _BY_PYTHON_TYPE:  # noqa: PLR2004
            return _range(from_python(parts[0]))
    if isinstance(origin, type) and _is_record(origin):
        hints = typing.get_type_hints(origin)
        fields = dataclasses.fields(typing.cast("Any", origin))
        return _struct({field.name: from_python(hints[field.name]) for field in fields})
    name = getattr(python_type, "__name__", str(python_type))
    message = (
        f"{name} has no counterpart among BigQuery's parameter types: use bool, int, float, "
        "Decimal, str, bytes, date, datetime, time, timedelta, dict (JSON), a dataclass, a tuple of two "
        "dates or datetimes (RANGE), or a list of these"
    )
    raise ParameterTypeError(message)


def from_sql(text: str) -> ParameterType:
    """The parameter type written as in SQL, such as `ARRAY<STRUCT<day DATE, price NUMERIC>>`.

    Raises:
        ParameterTypeError: `text` is not a type, or not one that a parameter can have.
    """
    tokens = re.findall(r"\w+|\S", text)
    parsed = _parse(tokens, text)
    if tokens:
        raise _unreadable(text)
    return parsed


def from_literal_type(literal_type: LiteralType) -> ParameterType:
    """The parameter type for literals of `literal_type`.

    Raises:
        ParameterTypeError: BigQuery has no counterpart.
    """
    from flyteidl2.core.types_pb2 import SimpleType

    kind = literal_type.WhichOneof("type")
    if kind == "simple":
        simple = SimpleType.Name(literal_type.simple)
        if simple in _BY_SIMPLE_TYPE:
            return {"type": _BY_SIMPLE_TYPE[simple]}
        kind = simple
    if kind == "collection_type":
        return _array(from_literal_type(literal_type.collection_type))
    if kind == "union_type":
        variants = [
            variant
            for variant in literal_type.union_type.variants
            if variant.simple != SimpleType.NONE or variant.WhichOneof("type") != "simple"
        ]
        if len(variants) == 1:
            return from_literal_type(variants[0])
    message = f"a Flyte {kind} has no counterpart among BigQuery's parameter types"
    raise ParameterTypeError(message)


def checked(parameter_type: Any) -> ParameterType:
    """A REST `QueryParameterType` of a request, its names as in `SCALARS`.

    Raises:
        ParameterTypeError: it is none, at any depth.
    """
    if not isinstance(parameter_type, dict):
        message = f"expected a REST QueryParameterType, got {parameter_type!r}"
        raise ParameterTypeError(message)
    name = _canonical(str(parameter_type.get("type")))
    if name == "ARRAY":
        return _array(checked(parameter_type.get("arrayType")))
    if name == "RANGE":
        return _range(checked(parameter_type.get("rangeElementType")))
    if name == "STRUCT":
        fields = parameter_type.get("structTypes")
        if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
            message = f"expected a list of fields in structTypes, got {fields!r}"
            raise ParameterTypeError(message)
        return _struct({str(field.get("name")): checked(field.get("type")) for field in fields})
    if name not in SCALARS:
        raise _unreadable(name)
    return {**parameter_type, "type": name}


def table_field(name: str, sql: str) -> dict[str, Any]:
    """The REST `TableFieldSchema` of a column whose type is written as in SQL.

    Raises:
        ParameterTypeError: `sql` is not a type.
    """
    return _table_field(name, from_sql(sql))


def of_column(field: Mapping[str, Any]) -> ParameterType:
    """The type of a column, from its REST `TableFieldSchema`."""
    kind = _canonical(str(field["type"]))
    if field.get("mode") == "REPEATED":
        return _array(of_column({**field, "mode": "NULLABLE"}))
    if kind == "STRUCT":
        return _struct({part["name"]: of_column(part) for part in field.get("fields", ())})
    if kind == "RANGE":
        return _range(of_column(field["rangeElementType"]))
    return {"type": kind}


def to_sql(kind: ParameterType) -> str:
    """A type as it is written in SQL; the inverse of `from_sql`."""
    name: str = kind["type"]
    if name == "ARRAY":
        return f"ARRAY<{to_sql(kind['arrayType'])}>"
    if name == "RANGE":
        return f"RANGE<{to_sql(kind['rangeElementType'])}>"
    if name == "STRUCT":
        parts = (f"{part['name']} {to_sql(part['type'])}" for part in kind["structTypes"])
        return f"STRUCT<{', '.join(parts)}>"
    return name


def _table_field(name: str, kind: ParameterType) -> dict[str, Any]:
    if kind["type"] == "ARRAY":
        return {**_table_field(name, kind["arrayType"]), "mode": "REPEATED"}
    if kind["type"] == "STRUCT":
        parts = [_table_field(part["name"], part["type"]) for part in kind["structTypes"]]
        return {"name": name, "type": "STRUCT", "fields": parts}
    return {"name": name, **kind}


def _canonical(name: str) -> str:
    return _ALIASES.get(name.upper(), name.upper())


def _is_record(python_type: type) -> bool:
    return dataclasses.is_dataclass(python_type) and not issubclass(python_type, (File, Dir, DataFrame))


def _without_optional(python_type: Any) -> Any:
    """`T` for `T | None`: every BigQuery value may be NULL."""
    if typing.get_origin(python_type) not in {typing.Union, types.UnionType}:
        return python_type
    variants = [variant for variant in typing.get_args(python_type) if variant is not type(None)]
    return variants[0] if len(variants) == 1 else python_type


def _parse(tokens: list[str], text: str) -> ParameterType:
    """Read one type off the front of `tokens`."""
    name = _canonical(tokens.pop(0)) if tokens else ""
    if name in SCALARS:
        return {"type": name}
    if name not in {"ARRAY", "RANGE", "STRUCT"}:
        raise _unreadable(text)
    _expect(tokens, "<", text)
    if name != "STRUCT":
        element = _parse(tokens, text)
        _expect(tokens, ">", text)
        return _array(element) if name == "ARRAY" else _range(element)
    fields: dict[str, ParameterType] = {}
    while True:
        if not tokens:
            raise _unreadable(text)
        field = tokens.pop(0)
        fields[field] = _parse(tokens, text)
        if tokens[:1] != [","]:
            break
        tokens.pop(0)
    _expect(tokens, ">", text)
    return _struct(fields)


def _expect(tokens: list[str], token: str, text: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise _unreadable(text)


def _unreadable(text: str) -> ParameterTypeError:
    message = f"{text!r} is not a parameter type: use {', '.join(SCALARS)}, RANGE<...>, ARRAY<...> or STRUCT<x ...>"
    return ParameterTypeError(message)


def _array(element: ParameterType) -> ParameterType:
    if element["type"] == "ARRAY":
        message = "BigQuery has no arrays of arrays: put the inner one into a dataclass (STRUCT)"
        raise ParameterTypeError(message)
    return {"type": "ARRAY", "arrayType": element}


def _range(element: ParameterType) -> ParameterType:
    if element["type"] not in RANGE_ELEMENTS:
        message = f"a RANGE of {element['type']} does not exist: use {', '.join(RANGE_ELEMENTS)}"
        raise ParameterTypeError(message)
    return {"type": "RANGE", "rangeElementType": element}


def _struct(fields: dict[str, ParameterType]) -> ParameterType:
    return {
        "type": "STRUCT",
        "structTypes": [{"name": name, "type": field} for name, field in fields.items()],
    }
