"""Which BigQuery type a query parameter has, said in Python, in SQL or in Flyte's terms.

All three ways end in a REST `QueryParameterType` as a plain dict, which travels in the task's
`custom`: on Flyte's wire a date, a moment and a clock time look alike, and so do text and decimals.

    from_python(list[datetime.date])        what `BigQueryTask(inputs=...)` declares
    from_sql("ARRAY<BIGNUMERIC>")           what `BigQueryConfig.parameter_types` overrides
    from_literal_type(literal_type)         all that a task of the official SDK tells

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
    from flyteidl2.core.types_pb2 import LiteralType

ParameterType = dict[str, Any]
"""A REST `QueryParameterType`: `type`, and `arrayType` or `structTypes` where it has parts."""

SCALARS = (
    *("BOOL", "INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "STRING", "BYTES"),
    *("DATE", "DATETIME", "TIME", "TIMESTAMP", "JSON"),
)
"""The types without parts that a parameter may have."""

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
    if isinstance(origin, type) and _is_record(origin):
        hints = typing.get_type_hints(origin)
        fields = dataclasses.fields(origin)
        return _struct({field.name: from_python(hints[field.name]) for field in fields})
    name = getattr(python_type, "__name__", str(python_type))
    message = (
        f"{name} has no counterpart among BigQuery's parameter types: use bool, int, float, "
        "Decimal, str, bytes, date, datetime, time, dict (JSON), a dataclass, or a list of these"
    )
    raise ParameterTypeError(message)


def from_sql(text: str) -> ParameterType:
    """The parameter type written as in SQL, such as `ARRAY<STRUCT<day DATE, price NUMERIC>>`.

    Raises:
        ParameterTypeError: `text` is no type, or not one that a parameter can have.
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


def _is_record(python_type: type) -> bool:
    return dataclasses.is_dataclass(python_type) and not issubclass(
        python_type, (File, Dir, DataFrame)
    )


def _without_optional(python_type: Any) -> Any:
    """`T` for `T | None`: every BigQuery value may be NULL."""
    if typing.get_origin(python_type) not in {typing.Union, types.UnionType}:
        return python_type
    variants = [variant for variant in typing.get_args(python_type) if variant is not type(None)]
    return variants[0] if len(variants) == 1 else python_type


def _parse(tokens: list[str], text: str) -> ParameterType:
    """Read one type off the front of `tokens`."""
    name = tokens.pop(0).upper() if tokens else ""
    if name in SCALARS:
        return {"type": name}
    if name not in {"ARRAY", "STRUCT"}:
        raise _unreadable(text)
    _expect(tokens, "<", text)
    if name == "ARRAY":
        element = _parse(tokens, text)
        _expect(tokens, ">", text)
        return _array(element)
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
    message = (
        f"{text!r} is no parameter type: use {', '.join(SCALARS)}, ARRAY<...> or STRUCT<x ...>"
    )
    return ParameterTypeError(message)


def _array(element: ParameterType) -> ParameterType:
    if element["type"] == "ARRAY":
        message = "BigQuery has no arrays of arrays: put the inner one into a dataclass (STRUCT)"
        raise ParameterTypeError(message)
    return {"type": "ARRAY", "arrayType": element}


def _struct(fields: dict[str, ParameterType]) -> ParameterType:
    return {
        "type": "STRUCT",
        "structTypes": [{"name": name, "type": field} for name, field in fields.items()],
    }
