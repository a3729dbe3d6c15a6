"""DataFrame inputs of a query: each is a table of that name in the statement.

    bq://project:dataset.table    WITH name AS (SELECT * FROM `project.dataset.table`)
    gs://bucket/...               a temporary external table, which BigQuery reads itself
    elsewhere, and small          WITH name AS (SELECT ... FROM UNNEST(@name)), the rows as a parameter

A statement without such inputs is sent as it was written.
"""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyte_connectors.errors import FrameError, InvalidRequestError
from flyte_connectors.io import DataFrame

from flyte_connectors_bigquery.access import files
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.values.parameters import query_parameter
from flyte_connectors_bigquery.values.types import of_column

PARAMETER_BYTES = 4_000_000
"""Size of files that become parameters: a request to BigQuery may have 10 MB."""

FORMATS = {
    ".csv": "CSV",
    ".json": "NEWLINE_DELIMITED_JSON",
    ".jsonl": "NEWLINE_DELIMITED_JSON",
    ".ndjson": "NEWLINE_DELIMITED_JSON",
    ".avro": "AVRO",
    ".parquet": "PARQUET",
    ".orc": "ORC",
}
"""By the ending of a file, or the format of a DataFrame."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_BEFORE = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_WITH = re.compile(r"WITH(?P<recursive>\s+RECURSIVE)?\b", re.IGNORECASE)
_SELECT = re.compile(r"SELECT\b|FROM\b|\(", re.IGNORECASE)


def add_tables(sql: str, query: dict[str, Any], inputs: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The statement with the DataFrames of `inputs`, and parameters with the rows of some.

    Args:
        sql: The statement.
        query: REST `JobConfigurationQuery`; gets external tables.
        inputs: All inputs of the task.

    Raises:
        InvalidRequestError: an input can't be a table, or the statement can't have one.
    """
    selects: dict[str, str] = {}
    parameters = []
    for name, frame in sorted(inputs.items()):
        if not isinstance(frame, DataFrame):
            continue
        field, uri = f"inputs.{name}", str(frame.uri)
        if not _NAME.fullmatch(name):
            raise InvalidRequestError("is not a name of a table in SQL", field=field)
        if uri.startswith("gs://"):
            known = query.get("tableDefinitions", {})
            if not isinstance(known, Mapping):
                message = f"expected REST ExternalDataConfiguration by name, got {known!r}"
                raise InvalidRequestError(message, field="custom.tableDefinitions")
            query["tableDefinitions"] = {**known, name: _external(uri, frame.format or "")}
        elif uri.startswith("bq://"):
            selects[name] = f"SELECT * FROM {_reference(uri, field)}"  # noqa: S608  (quoted)
        else:
            files.check_readable(uri, field)
            if query.get("parameterMode") == "POSITIONAL":
                message = "a DataFrame outside BigQuery and Cloud Storage needs named parameters"
                raise InvalidRequestError(message, field=field)
            rows = _rows(name, uri, field)
            parameters.append(rows)
            selects[name] = _of_parameter(name, rows["parameterType"]["arrayType"], field)
    return _with(sql, selects), parameters


def _with(sql: str, selects: Mapping[str, str]) -> str:
    if not selects:
        return sql
    before = _BEFORE.match(sql)
    start = before.end() if before else 0
    tables = ", ".join(f"`{name}` AS ({select})" for name, select in selects.items())
    if found := _WITH.match(sql, start):
        recursive = found["recursive"] or ""
        return f"{sql[:start]}WITH{recursive} {tables},{sql[found.end() :]}"
    if not _SELECT.match(sql, start):
        word = (sql[start:].split(maxsplit=1) or [""])[0]
        message = (
            f"only a SELECT can read a DataFrame, and this statement begins with {word[:40]!r}: "
            "select, and set destination"
        )
        raise InvalidRequestError(message, field=f"inputs.{next(iter(selects))}")
    return f"{sql[:start]}WITH {tables} {sql[start:]}"


def _reference(uri: str, field: str) -> str:
    try:
        table = TableUri.parse(uri)
    except FrameError as error:
        raise InvalidRequestError(str(error), field=field) from None
    parts = (table.project, table.dataset, table.table)
    if any("`" in part or "\\" in part for part in parts):
        raise InvalidRequestError(f"{uri!r} is not a table", field=field)
    return ".".join(f"`{part}`" for part in parts)


def _of_parameter(name: str, record: dict[str, Any], field: str) -> str:
    columns = [part["name"] for part in record["structTypes"]]
    if any("`" in column or "\\" in column for column in columns):
        raise InvalidRequestError("a column's name can't be quoted in SQL", field=field)
    selected = ", ".join(f"element.`{column}`" for column in columns)
    return f"SELECT {selected} FROM UNNEST(@{name}) AS element"  # noqa: S608  (quoted)


def _external(uri: str, stored_as: str) -> dict[str, Any]:
    """REST `ExternalDataConfiguration`."""
    ending = f".{stored_as}".lower() if stored_as else posixpath.splitext(uri)[1].lower()
    kind = FORMATS.get(ending, "PARQUET")
    files = f"{uri}*" if uri.endswith("/") else uri
    guesses = {"autodetect": True} if kind in {"CSV", "NEWLINE_DELIMITED_JSON"} else {}
    return {"sourceUris": [files], "sourceFormat": kind, **guesses}


def _rows(name: str, uri: str, field: str) -> dict[str, Any]:
    """A file of parquet as the parameter `name`."""
    import pyarrow.parquet

    from flyte_connectors_bigquery.values import arrow

    with tempfile.TemporaryDirectory(prefix="bigquery-input-") as folder:
        paths = files.fetch([uri], Path(folder), field)
        if sum(path.stat().st_size for path in paths) > PARAMETER_BYTES:
            message = (
                f"{uri[:200]!r} is larger than {PARAMETER_BYTES} bytes: load it with BigQueryLoadTask, and "
                "pass on its results"
            )
            raise InvalidRequestError(message, field=field)
        try:
            table = pyarrow.concat_tables(pyarrow.parquet.read_table(path) for path in paths)
            kinds = [of_column(arrow.column(column)[0]) for column in table.schema]
        except (pyarrow.ArrowException, FrameError) as error:
            message = f"{uri[:200]!r} can't be a parameter: {error}"
            raise InvalidRequestError(" ".join(message.split()), field=field) from None
    columns = zip(table.schema.names, kinds, strict=True)
    record = {
        "type": "STRUCT",
        "structTypes": [{"name": column, "type": kind} for column, kind in columns],
    }
    return query_parameter(name, {"type": "ARRAY", "arrayType": record}, table.to_pylist())
