"""Columns of frames that neither the vendor's client nor every frame library can take as they come.

*   INTERVAL is text in BigQuery's form: REST and polars have no type for it.
*   ARRAY<RANGE> over REST is restored here: the vendor's client fails with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow
from google.cloud.bigquery import SchemaField

from flyte_connectors_bigquery.values.intervals import months_days_microseconds_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_RANGE_ELEMENTS = {
    "DATE": pyarrow.date32(),
    "DATETIME": pyarrow.timestamp("us"),
    "TIMESTAMP": pyarrow.timestamp("us", "UTC"),
}


def readable(fields: Sequence[SchemaField]) -> list[SchemaField] | None:
    """`fields` with STRING for what the vendor's client can't read; None if it can read all."""
    changed = [_readable(field) for field in fields]
    return None if changed == list(fields) else changed


def restored(batch: pyarrow.RecordBatch, fields: Sequence[SchemaField]) -> pyarrow.RecordBatch:
    """`batch`, read as `readable` says, with the types of `fields`."""
    for position, field in enumerate(fields):
        kind = batch.schema.field(position).type
        wanted = _restored_type(field, kind)
        if wanted != kind:
            values = [_restored(field, value) for value in batch.column(position).to_pylist()]
            column = pyarrow.array(values, wanted)
            batch = batch.set_column(position, pyarrow.field(field.name, wanted), column)
    return batch


def intervals_as_text(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """`batch` with text for its intervals, at any depth; the same batch if it has none."""
    for position, field in enumerate(batch.schema):
        wanted = _text_type(field.type)
        if wanted != field.type:
            texts = [_text(value) for value in batch.column(position).to_pylist()]
            batch = batch.set_column(position, field.with_type(wanted), pyarrow.array(texts, wanted))
    return batch


def _readable(field: SchemaField) -> SchemaField:
    parts = [_readable(part) for part in field.fields]
    is_text = field.field_type.upper() == "INTERVAL" or _is_array_of_ranges(field)
    if not is_text and parts == list(field.fields):
        return field
    kind = "STRING" if is_text else field.field_type
    return SchemaField(field.name, kind, mode=field.mode, fields=parts)


def _is_array_of_ranges(field: SchemaField) -> bool:
    return field.field_type.upper() == "RANGE" and field.mode == "REPEATED"


def _restored_type(field: SchemaField, kind: pyarrow.DataType) -> pyarrow.DataType:
    if _is_array_of_ranges(field):
        range_type: Any = field.range_element_type  # never None for a RANGE
        element = _RANGE_ELEMENTS[range_type.element_type]
        return pyarrow.list_(pyarrow.struct([("start", element), ("end", element)]))
    if not field.fields:
        return kind
    if field.mode == "REPEATED":
        return pyarrow.list_(_restored_struct(field, kind.value_type))
    return _restored_struct(field, kind)


def _restored_struct(field: SchemaField, kind: pyarrow.DataType) -> pyarrow.DataType:
    parts = zip(field.fields, kind, strict=True)
    return pyarrow.struct([old.with_type(_restored_type(part, old.type)) for part, old in parts])


def _restored(field: SchemaField, value: Any) -> Any:
    from google.cloud.bigquery._helpers import CELL_DATA_PARSER

    if value is None:
        return None
    if _is_array_of_ranges(field):
        return [CELL_DATA_PARSER.range_to_py(text, field) for text in value]
    if not field.fields:
        return value
    if field.mode == "REPEATED":
        return [_restored_record(field, record) for record in value]
    return _restored_record(field, value)


def _restored_record(field: SchemaField, record: dict[str, Any]) -> dict[str, Any]:
    return {part.name: _restored(part, record[part.name]) for part in field.fields}


def _text_type(kind: pyarrow.DataType) -> pyarrow.DataType:
    if kind == pyarrow.month_day_nano_interval():
        return pyarrow.string()
    if pyarrow.types.is_list(kind):
        return pyarrow.list_(kind.value_field.with_type(_text_type(kind.value_type)))
    if pyarrow.types.is_struct(kind):
        return pyarrow.struct([field.with_type(_text_type(field.type)) for field in kind])
    return kind


def _text(value: Any) -> Any:
    if isinstance(value, pyarrow.MonthDayNano):
        return months_days_microseconds_text(value.months, value.days, value.nanoseconds // 1000)
    if isinstance(value, list):
        return [_text(element) for element in value]
    if isinstance(value, dict):
        return {name: _text(member) for name, member in value.items()}
    return value
