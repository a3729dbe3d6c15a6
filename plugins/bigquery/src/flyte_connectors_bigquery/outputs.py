"""The outputs of a finished job: the result as a table, its one row as values, or both.

`create` notes in the meta what the task declares, since nothing else tells `get` later:

    DATAFRAME         the table that holds the result, as `bq://project:dataset.table`
    INTEGER, ...      the column of that name in the only row (names of `flyteidl2.core.SimpleType`)
    []FLOAT, ...      the same, for a repeated column

An output called `rows_affected` is, for INSERT, UPDATE, DELETE and MERGE, their number of rows.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.io import DataFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.core.types_pb2 import LiteralType
    from google.cloud.bigquery import QueryJob, Row, TableReference

    from flyte_connectors_bigquery.client import BigQuery

DATAFRAME = "DATAFRAME"
OFFICIAL: Mapping[str, str] = {"results": DATAFRAME}
"""What a task of the official SDK has if anything."""

ROWS_AFFECTED = "rows_affected"


class OutputError(Exception):
    """A job gave something else than its task declares; the text is one line."""


def declared(task_template: TaskTemplate) -> dict[str, str]:
    """The kind of each declared output, in the terms of this module."""
    variables = task_template.interface.outputs.variables
    return {entry.key: _kind(entry.value.type) for entry in variables}


def of_job(bigquery: BigQuery, job: QueryJob, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The outputs of the finished `job`, by name.

    Raises:
        OutputError: the job has no such outputs.
        ConnectorError: BigQuery does not give its result.
    """
    values: dict[str, Any] = {}
    if job.num_dml_affected_rows is not None and ROWS_AFFECTED in kinds:
        values[ROWS_AFFECTED] = job.num_dml_affected_rows
    columns = {
        name: kind for name, kind in kinds.items() if kind != DATAFRAME and name not in values
    }
    for name in kinds:
        if kinds[name] == DATAFRAME:
            values[name] = DataFrame(uri=_uri(_table(bigquery, job, name)))
    if columns:
        values.update(_row(bigquery.first_rows(job, 2), columns))
    return values


def _kind(literal_type: LiteralType) -> str:
    from flyteidl2.core.types_pb2 import SimpleType

    kind = literal_type.WhichOneof("type")
    if kind == "structured_dataset_type":
        return DATAFRAME
    if kind == "collection_type":
        return "[]" + _kind(literal_type.collection_type)
    if kind == "union_type":
        kinds = [_kind(variant) for variant in literal_type.union_type.variants]
        return next((kind for kind in kinds if kind != "NONE"), "NONE")
    return str(SimpleType.Name(literal_type.simple))


def _table(bigquery: BigQuery, job: QueryJob, name: str) -> TableReference:
    """The table with the result: of the statement, or of the last one of a script that has any."""
    statements = reversed(bigquery.children(job)) if job.num_child_jobs else [job]
    for statement in statements:
        table: TableReference | None = statement.destination
        if table is None and statement.ddl_operation_performed != "DROP":
            table = statement.ddl_target_table
        if table is not None:
            return table
    message = f"outputs.{name}: {job.statement_type} has no result table: declare no DataFrame"
    raise OutputError(message)


def _uri(table: TableReference) -> str:
    return f"bq://{table.project}:{table.dataset_id}.{table.table_id}"


def _row(rows: Sequence[Row], kinds: Mapping[str, str]) -> dict[str, Any]:
    names = ", ".join(kinds)
    if len(rows) != 1:
        count = "no row" if not rows else "more than one row"
        message = f"outputs.{names}: the result has {count}: a value needs a query with one row"
        raise OutputError(message)
    # Column names are case-insensitive in BigQuery.
    row = {column.lower(): value for column, value in rows[0].items()}
    if len(row) == len(kinds) == 1:
        row = {next(iter(kinds)).lower(): next(iter(row.values()))}
    missing = [name for name in kinds if name.lower() not in row]
    if missing:
        message = f"outputs.{missing[0]}: no such column; the result has {', '.join(row)}"
        raise OutputError(message)
    return {name: _converted(row[name.lower()], kind) for name, kind in kinds.items()}


def _converted(value: Any, kind: str) -> Any:
    """A value of the vendor's client as the declared kind wants it; what does not fit stays."""
    if value is None:
        return None
    if kind.startswith("[]") and isinstance(value, list):
        return [_converted(element, kind[2:]) for element in value]
    convert = _CONVERSIONS.get(kind)
    return convert(value) if convert is not None else value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, decimal.Decimal) and value == int(value) else value


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, decimal.Decimal) else value


def _datetime(value: Any) -> Any:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    return value


def _string(value: Any) -> Any:
    plain = _plain(value)
    return json.dumps(plain) if isinstance(plain, (dict, list)) else plain


def _plain(value: Any) -> Any:
    """`value` in terms of JSON; numbers with a decimal point as text, which keeps their digits."""
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "INTEGER": _integer,
    "FLOAT": _float,
    "DATETIME": _datetime,
    "STRING": _string,
    "STRUCT": _plain,
}
