"""Arrow's types as columns of BigQuery, for frames that are written.

Each column gets a type that BigQuery reads from Parquet, and the values are cast to it, never with a loss:
a DATE stays a date, a moment with a time zone is a TIMESTAMP and one without a DATETIME.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow
from flyte_connectors.errors import FrameError
from pyarrow import types

if TYPE_CHECKING:
    from collections.abc import Callable

NUMERIC_INTEGER_DIGITS, NUMERIC_SCALE = 29, 9
"""https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types"""

_MICROSECONDS = "us"

_BY_TYPE: list[tuple[Callable[[pyarrow.DataType], bool], str, pyarrow.DataType]] = [
    (types.is_boolean, "BOOL", pyarrow.bool_()),
    (types.is_uint64, "NUMERIC", pyarrow.decimal128(29, 9)),
    (types.is_integer, "INT64", pyarrow.int64()),
    (types.is_floating, "FLOAT64", pyarrow.float64()),
    (types.is_date, "DATE", pyarrow.date32()),
    (types.is_time, "TIME", pyarrow.time64(_MICROSECONDS)),
    (types.is_null, "STRING", pyarrow.string()),
]


def column(field: pyarrow.Field) -> tuple[dict[str, Any], pyarrow.Field]:
    """The REST `TableFieldSchema` of a column, and the column as it is written.

    Raises:
        FrameError: BigQuery has no such type.
    """
    kind = field.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        schema, item = column(pyarrow.field(field.name, kind.value_type))
        if schema.get("mode") == "REPEATED":
            raise _unknown(field)
        written = pyarrow.list_(pyarrow.field("element", item.type))
        return {**schema, "mode": "REPEATED"}, pyarrow.field(field.name, written)
    if types.is_struct(kind):
        parts = [column(kind.field(position)) for position in range(kind.num_fields)]
        members = [schema for schema, _ in parts]
        written = pyarrow.struct([part for _, part in parts])
        schema = {"name": field.name, "type": "STRUCT", "fields": members}
        return schema, pyarrow.field(field.name, written)
    name, written = _scalar(field)
    return {"name": field.name, "type": name}, pyarrow.field(field.name, written)


def cast(batch: pyarrow.RecordBatch, schema: pyarrow.Schema) -> pyarrow.Table:
    """`batch` with the types of `schema`.

    Raises:
        FrameError: a value would lose digits.
    """
    table = pyarrow.Table.from_batches([batch])
    columns = []
    for wanted, values in zip(schema, table.columns, strict=True):
        try:
            columns.append(values.cast(wanted.type))
        except pyarrow.ArrowException as error:
            message = f"column {wanted.name} can't be written to BigQuery: {error}"
            raise FrameError(" ".join(message.split())) from None
    return pyarrow.Table.from_arrays(columns, schema=schema)


def _scalar(field: pyarrow.Field) -> tuple[str, pyarrow.DataType]:
    kind = field.type
    if types.is_dictionary(kind):
        return _scalar(pyarrow.field(field.name, kind.value_type))
    if types.is_timestamp(kind):
        name = "DATETIME" if kind.tz is None else "TIMESTAMP"
        return name, pyarrow.timestamp(_MICROSECONDS, None if kind.tz is None else "UTC")
    if types.is_decimal(kind):
        fits = kind.scale <= NUMERIC_SCALE and kind.precision - kind.scale <= NUMERIC_INTEGER_DIGITS
        return ("NUMERIC" if fits else "BIGNUMERIC"), kind
    for belongs, name, written in _BY_TYPE:
        if belongs(kind):
            return name, written
    text = str(kind)
    if text in {"string", "large_string", "string_view"}:
        return "STRING", pyarrow.string()
    if text in {"binary", "large_binary", "binary_view"} or types.is_fixed_size_binary(kind):
        return "BYTES", pyarrow.binary()
    raise _unknown(field)


def _unknown(field: pyarrow.Field) -> FrameError:
    return FrameError(f"column {field.name}: BigQuery can't load {field.type}; convert it before")
