"""What a load, extract or copy task asks of BigQuery, checked before anything is sent.

Inputs of a load are files: text, `File`, `Dir` or `DataFrame`, or lists of these; or lists of rows. Inputs of
an extract or a copy are tables: `DataFrame`s at `bq://...`, or text `project.dataset.table`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import FrameError, InvalidRequestError
from flyte_connectors.io import DataFrame, Dir, File

from flyte_connectors_bigquery.access.files import check_readable
from flyte_connectors_bigquery.config import table_reference
from flyte_connectors_bigquery.jobs.request import JobRequest, common, custom_of, names_of_run
from flyte_connectors_bigquery.jobs.settings import job_configuration
from flyte_connectors_bigquery.jobs.tables import FORMATS
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.transfers.uploads import Upload, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_bigquery.jobs.settings import Kind


def read_transfer(
    kind: Kind,
    task_template: TaskTemplate,
    inputs: Mapping[str, Any] | None,
    task_execution_metadata: TaskExecutionMetadata | None,
) -> JobRequest:
    """The job that a task asks for.

    Raises:
        InvalidRequestError: a field or an input is missing or wrong.
    """
    custom = custom_of(task_template)
    job = job_configuration(kind, custom)
    job["labels"] |= names_of_run(task_template, task_execution_metadata)
    settings = job[kind]
    # Sorted: inputs arrive in any order, and a replay has to be recognised.
    given = [(f"inputs.{name}", value) for name, value in sorted((inputs or {}).items())]
    known = common(kind, custom, job)
    sent: dict[str, Any] = {}
    if kind == "load":
        sent = _add_data(settings, given)
    else:
        _add_tables(kind, settings, given, known["project"])
    if kind != "extract" and not isinstance(settings.get("destinationTable"), dict):
        raise InvalidRequestError("missing: name the table", field="custom.destinationTable")
    return Upload(**known, **sent) if sent else JobRequest(**known)


def _add_data(load: dict[str, Any], given: list[tuple[str, Any]]) -> dict[str, Any]:
    """Name the files in the settings; return what has to be sent along, as fields of `Upload`."""
    uris = _list(load, "sourceUris")
    for uri in uris:
        _check_storage(uri, "custom.sourceUris")
    rows = b""
    files: list[str] = []
    said: set[str] = set()  # what is in the files, by their inputs
    for field, value in given:
        lines = rows_of(field, value)
        rows += lines or b""
        for uri, stored_as in _files(field, value) if lines is None else ():
            (uris if uri.startswith("gs://") else files).append(uri)
            said.add(f".{stored_as}".lower())
    kinds = [kind for kind in (uris, files, rows) if kind]
    if len(kinds) > 1:
        message = "a job loads files of Cloud Storage, other files, or rows: use several tasks"
        raise InvalidRequestError(message, field="inputs")
    if not kinds:
        message = "missing: name files, here or as inputs of the task"
        raise InvalidRequestError(message, field="custom.sourceUris")
    if rows:
        load["sourceFormat"] = "NEWLINE_DELIMITED_JSON"
    elif "sourceFormat" not in load:
        load["sourceFormat"] = _format([*uris, *files], said)
    load.pop("sourceUris", None)
    if uris:
        load["sourceUris"] = uris
        return {}
    return {"rows": rows, "files": tuple(files), "field": given[0][0]}


def _format(uris: list[str], said: set[str]) -> str:
    endings = {posixpath.splitext(uri.removesuffix(".gz"))[1].lower() for uri in uris}
    formats = {FORMATS[ending] for ending in endings | said if ending in FORMATS}
    if len(formats) != 1:
        message = f"{uris[0]!r}: its ending does not say what is in it: set source_format"
        raise InvalidRequestError(message, field="custom.sourceFormat")
    return formats.pop()


def _files(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """The URIs that an input names, each with the format that it says."""
    if isinstance(value, list):
        for position, element in enumerate(value):
            yield from _files(f"{field}[{position}]", element)
        return
    stored_as = getattr(value, "format", "") or ""
    if isinstance(value, str):
        uri = value
    elif isinstance(value, Dir):
        folder = f"{str(value.path).rstrip('/')}/"
        uri = f"{folder}*" if folder.startswith("gs://") else folder
    elif isinstance(value, File):
        uri = str(value.path)
    elif isinstance(value, DataFrame):
        uri, stored_as = str(value.uri), stored_as or "parquet"
    else:
        message = f"expected files (text, File, Dir or DataFrame) or rows, got {type(value).__name__}"
        raise InvalidRequestError(message, field=field)
    if uri.startswith("bq://"):
        raise InvalidRequestError(f"{uri!r} is a table: use BigQueryCopyTask", field=field)
    if not uri.startswith("gs://"):
        check_readable(uri, field)
    yield uri, stored_as


def _add_tables(kind: Kind, settings: dict[str, Any], given: list[tuple[str, Any]], project: str) -> None:
    tables = _list(settings, "sourceTables")
    if isinstance(settings.get("sourceTable"), dict):
        tables.append(settings.pop("sourceTable"))
    for field, value in given:
        values = value if isinstance(value, list) else [value]
        tables += [_table(field, one, project) for one in values]
    settings.pop("sourceTables", None)
    if kind == "copy":
        if not tables:
            message = "missing: name tables, here or as inputs of the task"
            raise InvalidRequestError(message, field="custom.sourceTables")
        settings["sourceTables"] = tables
        return
    if "sourceModel" not in settings:
        if len(tables) != 1:
            message = f"expected one table, here or as an input of the task, got {len(tables)}"
            raise InvalidRequestError(message, field="custom.sourceTable")
        (settings["sourceTable"],) = tables
    uris = _list(settings, "destinationUris")
    if not uris:
        raise InvalidRequestError("missing: name files", field="custom.destinationUris")
    for uri in uris:
        _check_storage(uri, "custom.destinationUris")


def _table(field: str, value: Any, project: str) -> dict[str, str]:
    try:
        if isinstance(value, DataFrame):
            table = TableUri.parse(str(value.uri))
            return {
                "projectId": table.project,
                "datasetId": table.dataset,
                "tableId": table.table,
            }
        if isinstance(value, str):
            return table_reference(value, project)
    except (FrameError, ValueError) as error:
        raise InvalidRequestError(str(error), field=field) from None
    message = f"expected a table (DataFrame or text), got {type(value).__name__}"
    raise InvalidRequestError(message, field=field)


def _list(settings: Mapping[str, Any], key: str) -> list[Any]:
    value = settings.get(key, [])
    if not isinstance(value, list):
        raise InvalidRequestError(f"expected a list, got {value!r}", field=f"custom.{key}")
    return list(value)


def _check_storage(uri: Any, field: str) -> None:
    if not isinstance(uri, str) or not uri.startswith("gs://"):
        message = f"{str(uri)[:200]!r}: BigQuery reads and writes files of Cloud Storage only, gs://..."
        raise InvalidRequestError(message, field=field)
