"""Columns of a `DataFrame`: Python (or numpy) types to Flyte's and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args, get_origin

from flyteidl2.core.types_pb2 import LiteralType, SimpleType, StructuredDatasetType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import type_name
from flyte_connectors.types.hints import fields_of
from flyte_connectors.types.scalars import SCALARS, SCALARS_BY_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMPY = {  # by the start of the name, so that numpy need not be imported
    "int": SimpleType.INTEGER,
    "uint": SimpleType.INTEGER,
    "float": SimpleType.FLOAT,
    "bool": SimpleType.BOOLEAN,
    "datetime": SimpleType.DATETIME,
    "timedelta": SimpleType.DURATION,
    "bytes": SimpleType.STRING,
    "str": SimpleType.STRING,
    "object": SimpleType.STRING,
}


def columns_of(types_by_name: Mapping[str, Any]) -> list[StructuredDatasetType.DatasetColumn]:
    """Return Flyte's columns; a dict or dataclass in a column becomes columns ``outer.inner``.

    Raises:
        ConversionError: A column's type has no counterpart in Flyte.
    """
    return [
        StructuredDatasetType.DatasetColumn(name=name, literal_type=_literal_type(python_type))
        for name, python_type in _flat(types_by_name)
    ]


def types_of(columns: Any) -> dict[str, Any]:
    """Return the Python type of each of Flyte's columns by name."""
    return {column.name: _python_type(column.literal_type) for column in columns}


def _flat(types_by_name: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, python_type in types_by_name.items():
        if isinstance(python_type, dict):
            yield from _flat(python_type, f"{prefix}{name}.")
        elif dataclasses.is_dataclass(python_type):
            yield from _flat(fields_of(python_type), f"{prefix}{name}.")
        else:
            yield prefix + name, python_type


def _literal_type(python_type: Any) -> LiteralType:
    origin, arguments = get_origin(python_type), get_args(python_type)
    if origin is list:
        return LiteralType(collection_type=_literal_type(arguments[0]))
    if origin is dict:
        return LiteralType(map_value_type=_literal_type(arguments[1]))
    if getattr(python_type, "__module__", "") == "numpy":
        number = _NUMPY.get(python_type.__name__.rstrip("_0123456789"))
        if number is not None:
            return LiteralType(simple=number)
    if python_type in SCALARS:
        return SCALARS[python_type].literal_type
    if python_type is dict:
        return LiteralType(simple=SimpleType.STRUCT)
    raise ConversionError(f"{type_name(python_type)} is not a type for a column of a DataFrame")


def _python_type(literal_type: LiteralType) -> Any:
    kind = literal_type.WhichOneof("type")
    if kind == "collection_type":
        return list[_python_type(literal_type.collection_type)]  # type: ignore[misc]  # made at run time
    if kind == "map_value_type":
        return dict[str, _python_type(literal_type.map_value_type)]  # type: ignore[misc]  # made at run time
    scalar = SCALARS_BY_NUMBER.get(literal_type.simple) if kind == "simple" else None
    return scalar.python_type if scalar else dict
