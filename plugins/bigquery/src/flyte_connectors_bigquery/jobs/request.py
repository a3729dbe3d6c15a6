"""What a task template asks of BigQuery, checked before anything is sent.

`read` turns the template, official or ours, and the input values into a `Query`: the SQL,
untouched, and a REST `JobConfiguration`. Everything that can be wrong without asking BigQuery is
found here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.values.parameters import query_parameter
from flyte_connectors_bigquery.values.types import ParameterTypeError, from_literal_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from google.protobuf.struct_pb2 import Value

    from flyte_connectors_bigquery.values.types import ParameterType

DIGEST_LABEL = "flyte-request"
"""Label of a job that tells a replay of the same request from another request under its id."""

_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9-]+")
_LABEL_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")
# Members of `custom` that are not members of JobConfigurationQuery. `query` is one, but the
# statement comes from the template's `sql`.
_NOT_OF_QUERY = frozenset(
    {"ProjectID", "Location", "Domain", "secrets", "configs", "labels", "jobTimeoutMs", "query"}
    | {"queryParameters", "maxBytes", "impersonateServiceAccount", "pricePerTebibyte"}
)


@dataclass(frozen=True)
class Query:
    """One query to run or to estimate.

    Attributes:
        sql: The statement or script.
        project: The project that runs it.
        location: Region; None if BigQuery is to find out.
        configuration: REST `JobConfiguration` without the statement.
        max_bytes: Most bytes that it may read by the estimate of a dry run; None for any.
        impersonate: Address of the service account to act as.
        price_per_tebibyte: Rate for the estimated price.
    """

    sql: str
    project: str
    location: str | None
    configuration: Mapping[str, Any]
    max_bytes: int | None
    impersonate: str | None
    price_per_tebibyte: float | None

    @property
    def digest(self) -> str:
        """Tells this query from any other; the same for a replay, on every replica."""
        content = json.dumps([self.sql, self.configuration["query"]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def read(
    task_template: TaskTemplate,
    inputs: Mapping[str, Any] | None,
    task_execution_metadata: TaskExecutionMetadata | None,
) -> Query:
    """The query that a task asks for.

    Raises:
        InvalidRequestError: a field is missing or wrong.
    """
    custom = {key: _native(value) for key, value in task_template.custom.fields.items()}
    if not task_template.sql.statement.strip():
        message = "empty: the task has no query; set query_template"
        raise InvalidRequestError(message, field="sql.statement")
    job: dict[str, Any] = {
        "query": {key: value for key, value in custom.items() if key not in _NOT_OF_QUERY},
        "labels": {
            **_labels(custom.get("labels") or {}),
            **_names_of_run(task_template, task_execution_metadata),
        },
    }
    if custom.get("jobTimeoutMs"):
        job["jobTimeoutMs"] = str(custom["jobTimeoutMs"])
    parameters = _parameters(task_template, custom.get("queryParameters") or [], inputs or {})
    if parameters:
        job["query"]["queryParameters"] = parameters
    return Query(
        sql=task_template.sql.statement,
        project=_project(custom),
        location=custom.get("Location"),
        configuration=job,
        max_bytes=_number(custom, "maxBytes", int),
        impersonate=custom.get("impersonateServiceAccount"),
        price_per_tebibyte=_number(custom, "pricePerTebibyte", float),
    )


def _project(custom: Mapping[str, Any]) -> str:
    project = custom.get("ProjectID")
    if not isinstance(project, str) or not _PROJECT.fullmatch(project):
        message = f"expected the id of a Google Cloud project, got {project!r}: set ProjectID"
        raise InvalidRequestError(message, field="custom.ProjectID")
    return project


def _number(custom: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    if custom.get(key) is None:
        return None
    try:
        number = kind(custom[key])
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        message = f"expected a number from 0, got {custom[key]!r}"
        raise InvalidRequestError(message, field=f"custom.{key}")
    return number


def _parameters(
    task_template: TaskTemplate, declared: list[dict[str, Any]], inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The query parameters: those with values of their own, and one for each input."""
    types: dict[str, ParameterType] = {
        parameter["name"]: parameter["parameterType"]
        for parameter in declared
        if parameter.get("name")
    }
    fixed = [
        parameter
        for parameter in declared
        if "parameterValue" in parameter and parameter.get("name") not in inputs
    ]
    literal_types = {
        entry.key: entry.value.type for entry in task_template.interface.inputs.variables
    }
    given = []
    # Sorted: inputs arrive in any order, and a replay has to be recognised.
    for name in sorted(inputs):
        try:
            parameter_type = types.get(name) or from_literal_type(literal_types[name])
        except ParameterTypeError as error:
            raise InvalidRequestError(str(error), field=f"inputs.{name}") from None
        given.append(query_parameter(name, parameter_type, inputs[name]))
    return fixed + given


def _labels(labels: Mapping[str, Any]) -> dict[str, str]:
    """The author's labels, if BigQuery can take them.

    https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    for key, value in labels.items():
        if key != key.lower() or not _LABEL_KEY.fullmatch(key):
            message = (
                "a label's key has up to 63 lower-case letters, digits, - or _, a letter first"
            )
            raise InvalidRequestError(message, field=f"custom.labels.{key}")
        if (
            not isinstance(value, str)
            or value != value.lower()
            or not _LABEL_VALUE.fullmatch(value)
        ):
            message = f"{value!r}: a label's value has up to 63 lower-case letters, digits, - or _"
            raise InvalidRequestError(message, field=f"custom.labels.{key}")
    return dict(labels)


def _names_of_run(
    task_template: TaskTemplate, metadata: TaskExecutionMetadata | None
) -> dict[str, str]:
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
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind is None or kind == "null_value" else getattr(value, kind)
