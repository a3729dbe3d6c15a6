"""What a check, `jobs.check`, makes of a query's result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors_bigquery.jobs.check import NO_ROWS, Check
from flyte_connectors_bigquery.values.columns import plain
from flyte_connectors_bigquery.values.types import from_sql, of_column, to_sql

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob, SchemaField

    from flyte_connectors_bigquery.client import BigQuery


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
