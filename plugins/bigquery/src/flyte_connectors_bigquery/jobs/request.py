"""What a task template asks of BigQuery, checked before anything is sent.

`read_query` turns the template, official or ours, and the input values into a `Query`: the SQL,
untouched unless DataFrames are its inputs, and a REST `JobConfiguration`. Everything that can be wrong without asking BigQuery is
found here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import DataFrame

from flyte_connectors_bigquery.jobs.check import Check, read_check
from flyte_connectors_bigquery.jobs.settings import job_configuration, number, text
from flyte_connectors_bigquery.jobs.tables import add_tables
from flyte_connectors_bigquery.values.parameters import query_parameter
from flyte_connectors_bigquery.values.types import ParameterTypeError, checked, from_literal_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from google.protobuf.struct_pb2 import Value

    from flyte_connectors_bigquery.jobs.settings import Kind

DIGEST_LABEL = "flyte-request"
"""Label of a job with a digest of its request, which distinguishes a repeated request from another one with the same job id."""

SESSION_INPUT = "session_id"
"""Name of the input with the session that a query runs in."""

_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9-]+")


@dataclass(frozen=True)
class JobRequest:
    """One job to run.

    Attributes:
        kind: `query`, `load`, `extract` or `copy`.
        project: The project that runs it.
        location: Region; None if BigQuery is to find out.
        configuration: REST `JobConfiguration`.
        impersonate: Address of the service account to act as, or several, the last one in the end.
        reader_secret: Name of the secret that readers of the result may use.
    """

    kind: Kind
    project: str
    location: str | None
    configuration: Mapping[str, Any]
    impersonate: str | None
    reader_secret: str | None

    @property
    def body(self) -> dict[str, Any]:
        """The REST `JobConfiguration` as it is sent."""
        return dict(self.configuration)

    @property
    def digest(self) -> str:
        """A digest of this job; the same for a replay, on every replica."""
        return digest_of(self.configuration[self.kind])

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[bytes] | None]:
        """Within this block, data to send along; None for none."""
        yield None


@dataclass(frozen=True)
class Query(JobRequest):
    """One query to run or to estimate.

    Attributes:
        sql: The statement or script; the configuration is without it.
        max_bytes: Most bytes that it may read by the estimate of a dry run; None for any.
        price_per_tebibyte: Rate for the estimated price.
        check: What its result has to be; see `results.checks`.
    """

    sql: str
    max_bytes: int | None
    price_per_tebibyte: float | None
    check: Check

    @property
    def body(self) -> dict[str, Any]:
        """The REST `JobConfiguration` as it is sent."""
        query = {"useLegacySql": False, **self.configuration["query"], "query": self.sql}
        return {**self.configuration, "query": query}

    @property
    def digest(self) -> str:
        """A digest of this query, the same for a repeated request on every replica."""
        return digest_of([self.sql, self.configuration["query"]])


def read_query(
    task_template: TaskTemplate,
    inputs: Mapping[str, Any] | None,
    task_execution_metadata: TaskExecutionMetadata | None,
    *,
    dry_run: bool = False,
) -> Query:
    """The query that a task asks for.

    Args:
        task_template: The task.
        inputs: Its input values.
        task_execution_metadata: Names of the run, for labels.
        dry_run: Whether it is for an estimate.

    Raises:
        InvalidRequestError: a field is missing or wrong.
    """
    custom = custom_of(task_template)
    if not task_template.sql.statement.strip():
        message = "empty: the task has no query; set query_template"
        raise InvalidRequestError(message, field="sql.statement")
    job = job_configuration("query", custom, dry_run=dry_run)
    job["labels"] |= names_of_run(task_template, task_execution_metadata)
    if not isinstance(job["query"].pop("query", ""), str):
        message = "expected text: put settings of the query beside it"
        raise InvalidRequestError(message, field="custom.query")
    values = dict(inputs or {})
    _take_session(task_template.sql.statement, job["query"], values)
    sql, rows = add_tables(task_template.sql.statement, job["query"], values)
    values = {name: value for name, value in values.items() if not isinstance(value, DataFrame)}
    parameters = rows + _parameters(task_template, job["query"], values)
    job["query"].pop("queryParameters", None)
    if parameters:
        job["query"]["queryParameters"] = parameters
    return Query(
        **common("query", custom, job),
        sql=sql,
        max_bytes=number(custom, "maxBytes", int),
        price_per_tebibyte=number(custom, "pricePerTebibyte", float),
        check=read_check(custom),
    )


def _take_session(sql: str, query: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Run in the session that the input `session_id` names, unless that is a parameter."""
    properties = query.get("connectionProperties", [])
    if not isinstance(properties, list):
        message = f"expected a list of REST ConnectionProperty objects, got {properties!r}"
        raise InvalidRequestError(message, field="custom.connectionProperties")
    if SESSION_INPUT in inputs and not re.search(rf"@{SESSION_INPUT}\b", sql):
        session = {"key": "session_id", "value": str(inputs.pop(SESSION_INPUT))}
        query["connectionProperties"] = [*properties, session]


def custom_of(task_template: TaskTemplate) -> dict[str, Any]:
    """The task's `custom` as Python has it."""
    return {key: _native(value) for key, value in task_template.custom.fields.items()}


def common(kind: Kind, custom: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `JobRequest`; tables without a project are in that of the job.

    Raises:
        InvalidRequestError: one of them is wrong.
    """
    project = _project(custom)
    settings = job[kind]
    places = [settings.get(name) for name in ("destinationTable", "sourceTable", "defaultDataset")]
    tables = settings.get("sourceTables")
    for place in (*places, *(tables if isinstance(tables, list) else ())):
        if isinstance(place, dict):
            place.setdefault("projectId", project)
    return {
        "kind": kind,
        "project": project,
        "location": text(custom, "Location"),
        "configuration": job,
        "impersonate": text(custom, "impersonateServiceAccount"),
        "reader_secret": text(custom, "readerSecret"),
    }


def _project(custom: Mapping[str, Any]) -> str:
    project = custom.get("ProjectID")
    if project is None:
        message = "not set, and the credentials name none: set it to the id of a Google Cloud project"
        raise InvalidRequestError(message, field="custom.ProjectID")
    if not isinstance(project, str) or not _PROJECT.fullmatch(project):
        message = f"expected the id of a Google Cloud project, got {project!r}: set ProjectID"
        raise InvalidRequestError(message, field="custom.ProjectID")
    return project


def digest_of(content: Any) -> str:
    """A digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _parameters(
    task_template: TaskTemplate, query: Mapping[str, Any], inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The query parameters: the configured ones, and one for each input."""
    declared = _declared(query.get("queryParameters", []))
    types = {parameter["name"]: parameter for parameter in declared if parameter.get("name")}
    fixed = [
        parameter for parameter in declared if "parameterValue" in parameter and parameter.get("name") not in inputs
    ]
    variables = {entry.key: entry.value.type for entry in task_template.interface.inputs.variables}
    positional = query.get("parameterMode") == "POSITIONAL"
    # Sorted: inputs arrive in any order, and a replay has to be recognised.
    names = [name for name in variables if name in inputs] if positional else sorted(inputs)
    given = []
    for name in names:
        try:
            declares = types.get(name, {}).get("parameterType")
            known = checked(declares) if declares else from_literal_type(variables[name])
        except ParameterTypeError as error:
            raise InvalidRequestError(str(error), field=f"inputs.{name}") from None
        given.append(query_parameter(name, known, inputs[name]))
    if positional:
        for parameter in given:
            del parameter["name"]
    return fixed + given


def _declared(parameters: Any) -> list[dict[str, Any]]:
    if not isinstance(parameters, list) or not all(isinstance(one, dict) for one in parameters):
        message = "expected a list of REST QueryParameter objects"
        raise InvalidRequestError(message, field="custom.queryParameters")
    return parameters


def names_of_run(task_template: TaskTemplate, metadata: TaskExecutionMetadata | None) -> dict[str, str]:
    """Labels by which a cost report finds the run, the action and the task."""
    names = {"flyte-task": task_template.id.name}
    if metadata is not None:
        node = metadata.task_execution_id.node_execution_id
        names["flyte-project"] = node.execution_id.project
        names["flyte-domain"] = node.execution_id.domain
        names["flyte-run"] = node.execution_id.name
        names["flyte-action"] = node.node_id
    return {key: re.sub(r"[^\w-]", "_", name.lower())[:63] for key, name in names.items() if name}


def _native(value: Value) -> Any:
    """A `google.protobuf.Value` as Python has it; whole numbers, which it has not, as int."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _native(member) for key, member in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_native(element) for element in value.list_value.values]
    if kind == "number_value":
        number_value = value.number_value
        return int(number_value) if number_value.is_integer() else number_value
    return None if kind is None or kind == "null_value" else getattr(value, kind)
