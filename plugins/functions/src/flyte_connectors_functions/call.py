"""What a job needs to call a function: made by the service, read by the job. Nothing of the function is imported."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flyte_connectors import NativeInterface
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import storage

from flyte_connectors_functions.literals import pack

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

EXIT_RETRY = 75
"""Exit code of a function that may be tried again; EX_TEMPFAIL of sysexits.h."""

REPORT = "report.jsonl"
"""Name of the file under the output prefix with what the function reports."""


@dataclasses.dataclass(frozen=True)
class FunctionReference:
    """A function that a job calls, as its task writes it into `TaskTemplate.custom`.

    Args:
        module: The module that the job imports.
        name: Qualified name of the function in it.
        code: URI of the bundle with the module; empty if it is installed where the job runs.
        digest: SHA-256 of the bundle, in hexadecimal.
        mapped: Name of the input whose list has a value for each job of an array.
        environment: URI of a lock of `uv`, which says which packages the job has; empty for none.
        requires: Top-level modules that its code imports, and that do not come with it.
    """

    module: str
    name: str
    code: str = ""
    digest: str = ""
    mapped: str = ""
    environment: str = ""
    requires: Sequence[str] = ()


@dataclasses.dataclass
class FunctionCall:
    """The call of a function.

    Args:
        task: Name of the task.
        module: Module of the function.
        name: Its name there.
        code: Path or URI of the bundle; empty if the module is installed.
        digest: SHA-256 of the bundle.
        literals: The inputs, serialized as `Inputs` in base64.
        context: Fields of the `TaskContext` but for the job's id.
        report: URI to which the job copies what the function reports; empty if the connector reads it in the job's folder.
        mapped: Name of the input of which each job of an array has one value; empty for a single job.
        environment: Path or URI of the lock of the job's packages; empty for none.
        stores_files: Whether the back end stores the files of outputs, and the job only lists them.
        uris: Files of the inputs that the back end has copied to the job.
        files: Where they were copied to, in the same order.
        requires: Top-level modules that the function's code imports, and that do not come with it.
    """

    task: str
    module: str
    name: str
    code: str
    digest: str
    literals: str
    context: dict[str, Any]
    report: str = ""
    mapped: str = ""
    environment: str = ""
    stores_files: bool = False
    uris: list[str] = dataclasses.field(default_factory=list)
    files: list[str] = dataclasses.field(default_factory=list)
    requires: list[str] = dataclasses.field(default_factory=list)

    def store(self, job_id: str) -> list[str]:
        """Store the call under its output prefix. Blocks; the same call twice is stored once.

        Args:
            job_id: Id of the job, which `task_context()` has.

        Returns:
            The arguments with which a Python interpreter makes the call: `["-m", ...]`.

        Raises:
            InvalidRequestError: there is no output prefix.
            StorageError: it can't be stored.
        """
        prefix = self.context["output_prefix"]
        if not prefix:
            raise InvalidRequestError("empty: a function's outputs can't be stored", field="output_prefix")
        uri = storage.join(prefix, "call.json")
        storage.write_bytes(uri, json.dumps({"job_id": job_id, **dataclasses.asdict(self)}).encode())
        return ["-m", __name__.partition(".")[0], uri]


def function_call(
    template: TaskTemplate,
    function: FunctionReference,
    inputs: Mapping[str, Any] | None,
    output_prefix: str,
    metadata: TaskExecutionMetadata | None,
) -> FunctionCall:
    """The call that a task asks for.

    Args:
        template: The task.
        function: Its function, from `TaskTemplate.custom`.
        inputs: Its inputs, by name.
        output_prefix: URI under which outputs are stored.
        metadata: Which run and attempt it is part of.

    Raises:
        InvalidRequestError: an input is not of its type; the error names it.
    """
    interface = NativeInterface.from_proto(template.interface)
    execution = metadata.task_execution_id if metadata is not None else None
    return FunctionCall(
        task=template.id.name,
        module=function.module,
        name=function.name,
        code=function.code,
        digest=function.digest,
        literals=pack(interface.write_inputs(template.id.name, dict(inputs or {}))),
        context={
            "task": template.id.name,
            "run": execution.node_execution_id.execution_id.name if execution is not None else "",
            "attempt": execution.retry_attempt if execution is not None else 0,
            "output_prefix": output_prefix,
        },
        report=storage.join(output_prefix, REPORT) if output_prefix and not function.mapped else "",
        mapped=function.mapped,
        environment=function.environment,
        requires=list(function.requires),
    )
