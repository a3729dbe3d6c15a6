"""The outputs of a finished job: the result as a table, its one row as values, or both.

`create` records the declared outputs in the meta, because `get` does not receive the task:

    DATAFRAME         the table that holds the result, see `uris`
    INTEGER, ...      the column of that name in the only row (names of `flyteidl2.core.SimpleType`)
    []FLOAT, ...      the same, for a repeated column

Some names are not columns: `rows_affected` is, for INSERT, UPDATE, DELETE and MERGE, their number of rows;
`session_id` is the session, for a query in one; `statements` has the child jobs of a script, with their cost;
`referenced_tables` has the tables that were read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.io import DataFrame

from flyte_connectors_bigquery.jobs.verbs import OutputError
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.values.columns import converted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.core.types_pb2 import LiteralType
    from google.cloud.bigquery import QueryJob, Row, TableReference

    from flyte_connectors_bigquery.client import BigQuery

DATAFRAME = "DATAFRAME"
OFFICIAL: Mapping[str, str] = {"results": DATAFRAME}
"""What a task of the official SDK has if anything."""

ROWS_AFFECTED, SESSION, STATEMENTS = "rows_affected", "session_id", "statements"
TABLES_READ = "referenced_tables"

MOST_STATEMENTS = 100
"""Child jobs that are reported; a script with a loop may have any number."""


def declared(task_template: TaskTemplate) -> dict[str, str]:
    """The kind of each declared output, in the terms of this module."""
    variables = task_template.interface.outputs.variables
    return {entry.key: _kind(entry.value.type) for entry in variables}


def of_job(
    bigquery: BigQuery,
    job: QueryJob,
    kinds: Mapping[str, str],
    *,
    secret: str | None = None,
    impersonate: str | None = None,
) -> dict[str, Any]:
    """The outputs of the finished `job`, by name.

    Args:
        bigquery: Where it ran.
        job: The job.
        kinds: Kind of each declared output.
        secret: Name of the secret that it ran with.
        impersonate: Service account that it ran as.

    Raises:
        OutputError: the job has no such outputs.
        ConnectorError: BigQuery does not give its result.
    """
    values: dict[str, Any] = {}
    if job.num_dml_affected_rows is not None and ROWS_AFFECTED in kinds:
        values[ROWS_AFFECTED] = job.num_dml_affected_rows
    if job.session_info is not None and SESSION in kinds:
        values[SESSION] = job.session_info.session_id
    if job.num_child_jobs and STATEMENTS in kinds:
        values[STATEMENTS] = statements(bigquery, job)
    if TABLES_READ in kinds:
        values[TABLES_READ] = tables_read(job)
    columns = {name: kind for name, kind in kinds.items() if kind != DATAFRAME and name not in values}
    for name in kinds:
        if kinds[name] == DATAFRAME:
            table = _table(bigquery, job, name)
            uri = TableUri(*(table.project, table.dataset_id, table.table_id, secret, impersonate, job.project))
            values[name] = DataFrame(uri=str(uri))
    if columns:
        values.update(_row(bigquery.first_rows(job, 2), columns))
    return values


def tables_read(job: QueryJob) -> list[str]:
    """The tables that a query reads, as `project.dataset.table`; BigQuery names the first 50."""
    return [f"{table.project}.{table.dataset_id}.{table.table_id}" for table in job.referenced_tables]


def statements(bigquery: BigQuery, job: QueryJob) -> list[dict[str, Any]]:
    """The child jobs of a script in the order they ran, each with what it did and cost."""
    return [
        {
            "job_id": child.job_id,
            "statement_type": child.statement_type,
            "bytes_processed": child.total_bytes_processed,
            "bytes_billed": child.total_bytes_billed,
            "slot_ms": child.slot_millis,
            "rows_affected": child.num_dml_affected_rows,
        }
        for child in bigquery.children(job)[:MOST_STATEMENTS]
    ]


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
    return {name: converted(row[name.lower()], kind) for name, kind in kinds.items()}
