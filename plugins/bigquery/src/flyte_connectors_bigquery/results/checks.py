"""What a check makes of a query's result, by the member `check` of the task's `custom`.

true              all values of the first row have to be true
"no_rows"         there must be no row: the query looks for what is wrong
{"schema": {...}} the result has to have these columns, by name, of these types as in SQL
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.values.columns import plain
from flyte_connectors_bigquery.values.types import ParameterTypeError, from_sql, of_column, to_sql

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob, SchemaField

    from flyte_connectors_bigquery.client import BigQuery

NO_ROWS = "no_rows"

Check = Any
"""A check as `custom` and the meta have it; false for none."""


def read_check(custom: Mapping[str, Any]) -> Check:
    """The check of a task.

    Raises:
        InvalidRequestError: it is not one.
    """
    check = custom.get("check") or False
    if check is True or check is False or check == NO_ROWS:
        return check
    schema = check.get("schema") if isinstance(check, Mapping) else None
    if not isinstance(schema, Mapping) or not schema or len(check) != 1:
        message = f"expected true, {NO_ROWS!r} or a schema, got {check!r}"
        raise InvalidRequestError(message, field="custom.check")
    for column, written in schema.items():
        try:
            from_sql(str(written))
        except ParameterTypeError as error:
            field = f"custom.check.schema.{column}"
            raise InvalidRequestError(str(error), field=field) from None
    return {"schema": dict(schema)}


def failure(bigquery: BigQuery, job: QueryJob, check: Check) -> str:
    """Why the result of a finished query does not pass, in one line; empty if it does."""
    if check is True:
        return untrue(bigquery, job)
    if check == NO_ROWS:
        return _some_row(bigquery, job)
    return _other_columns(bigquery.schema_of_result(job), check["schema"]) if check else ""


def untrue(bigquery: BigQuery, job: QueryJob) -> str:
    """Why not all values of the first row are true, that is neither NULL, 0, FALSE nor empty."""
    rows = bigquery.first_rows(job, 1)
    if not rows:
        return "the query gives no row"
    row = dict(rows[0].items())
    wrong = [name for name, value in row.items() if not value]
    return f"{', '.join(wrong)}: the first row is {_text(row)}" if wrong else ""


def _some_row(bigquery: BigQuery, job: QueryJob) -> str:
    rows = bigquery.first_rows(job, 1)
    if not rows:
        return ""
    return f"{bigquery.row_count(job)} rows, the first is {_text(dict(rows[0].items()))}"


def _other_columns(fields: list[SchemaField], schema: Mapping[str, str]) -> str:
    # Column names are case-insensitive in BigQuery.
    found = {field.name.lower(): to_sql(of_column(field.to_api_repr())) for field in fields}
    wrong = []
    for column, written in sorted(schema.items()):  # a request does not keep their order
        expected, is_there = to_sql(from_sql(written)), found.get(column.lower())
        if is_there is None:
            wrong.append(f"no column {column} ({expected})")
        elif is_there != expected:
            wrong.append(f"column {column} is {is_there}, not {expected}")
    return "; ".join(wrong)


def _text(row: dict[str, Any]) -> str:
    return json.dumps(plain(row), ensure_ascii=False)
