"""The job that calls a function: what the service makes of its task. Nothing of the function is imported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_functions.call import EXIT_RETRY, function_call
from flyte_connectors_functions.literals import has_files, unpack_inputs

from flyte_connectors_batch_job.backends.interface import JobRequest
from flyte_connectors_batch_job.functions import copied, locked
from flyte_connectors_batch_job.prefix import check_prefix
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
    if function.code:
        check_scheme("custom.function.code", function.code)
    call = function_call(template, function, inputs, output_prefix, metadata)
    # The jobs of an array would each copy the files of all: their functions read what they need.
    fetched = [] if function.mapped else copied.references(unpack_inputs(call.literals))
    call.uris = [reference["given"] for reference in fetched]
    call.files = [reference["uri"] for reference in fetched]
    call.stores_files = has_files(template)
    if call.stores_files:
        check_prefix(output_prefix)
    references = [{name: reference[name] for name in ("at", "kind", "uri")} for reference in fetched]
    if function.code:
        references.append({"at": ["call", "code"], "kind": "file", "uri": function.code})
    command = [config.python, "-m", copied.RUNNER]
    if function.environment:
        check_scheme("custom.function.environment", function.environment)
        place = ["call", "environment"]
        references.append({"at": place, "kind": "file", "uri": function.environment})
        command = [config.python, "-c", locked.START]
    files = {
        "inputs": references,
        "outputs": {name: list(form) for name, form in copied.FORMS.items()} if call.stores_files else {},
        "prefix": output_prefix,
    }
    return JobRequest(
        config=dataclasses.replace(
            config,
            command=command,
            retry_exit_codes=sorted({*config.retry_exit_codes, EXIT_RETRY}),
        ),
        inputs={"call": dataclasses.asdict(call)},
        outputs=list(copied.OUTPUTS if call.stores_files else copied.OUTPUTS[:1]),
        files=files if references or call.stores_files else None,
        interruptible=template.metadata.interruptible,
    )


def check_scheme(field: str, uri: str) -> None:
    """Raise InvalidRequestError if a job can't read a URI."""
    if uris.scheme_of(uri) not in uris.SCHEMES:
        raise InvalidRequestError(f"{uris.shown(uri)} can't be read by a job", field=field)
