"""The job that calls a function: what the service makes of its task. Nothing of the function is imported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors import NativeInterface
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.backends.interface import JobRequest
from flyte_connectors_batch_job.functions import call as calls
from flyte_connectors_batch_job.request import check_prefix
from flyte_connectors_batch_job.wrapper import uris

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_batch_job.config import BatchJobConfig


def function_request(
    template: TaskTemplate,
    config: BatchJobConfig,
    inputs: Mapping[str, Any] | None,
    output_prefix: str,
    metadata: TaskExecutionMetadata | None,
) -> JobRequest:
    """The job of a function task.

    Args:
        template: The task.
        config: Its configuration, with `function` and `python`.
        inputs: Its inputs, by name.
        output_prefix: URI under which files of outputs are stored.
        metadata: Which run and attempt it is part of.

    Raises:
        InvalidRequestError: a field is wrong; the error names it.
    """
    function = config.function
    assert function is not None
    assert config.python is not None
    if function.code and uris.scheme_of(function.code) not in uris.SCHEMES:
        message = f"{uris.shown(function.code)} can't be read by a job"
        raise InvalidRequestError(message, field="custom.function.code")
    interface = NativeInterface.from_proto(template.interface)
    literals = interface.write_inputs(template.id.name, dict(inputs or {}))
    # The jobs of an array would each copy the files of all: their functions read what they need.
    fetched = [] if function.mapped else calls.references(literals)
    stores_files = calls.has_files(template)
    if stores_files:
        check_prefix(output_prefix)
    call = calls.Call(
        task=template.id.name,
        module=function.module,
        name=function.name,
        code=function.code,
        digest=function.digest,
        literals=calls.pack(literals),
        uris=[reference["given"] for reference in fetched],
        files=[reference["uri"] for reference in fetched],
        mapped=function.mapped,
        stores_files=stores_files,
        context=_context(template, output_prefix, metadata),
    )
    copied = [{name: reference[name] for name in ("at", "kind", "uri")} for reference in fetched]
    if function.code:
        copied.append({"at": ["call", "code"], "kind": "file", "uri": function.code})
    files = {
        "inputs": copied,
        "outputs": {name: list(form) for name, form in calls.FORMS.items()} if stores_files else {},
        "prefix": output_prefix,
    }
    return JobRequest(
        config=dataclasses.replace(
            config,
            command=[config.python, "-m", calls.RUNNER],
            retry_exit_codes=sorted({*config.retry_exit_codes, calls.EXIT_RETRY}),
        ),
        inputs={"call": dataclasses.asdict(call)},
        outputs=list(calls.OUTPUTS if stores_files else calls.OUTPUTS[:1]),
        files=files if copied or stores_files else None,
        interruptible=template.metadata.interruptible,
    )


def _context(
    template: TaskTemplate, output_prefix: str, metadata: TaskExecutionMetadata | None
) -> dict[str, Any]:
    execution = metadata.task_execution_id if metadata is not None else None
    return {
        "task": template.id.name,
        "run": execution.node_execution_id.execution_id.name if execution is not None else "",
        "attempt": execution.retry_attempt if execution is not None else 0,
        "output_prefix": output_prefix,
    }
