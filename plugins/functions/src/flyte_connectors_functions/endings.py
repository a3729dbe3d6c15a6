"""How the call of a function has ended, as its job leaves it under the output prefix and a connector reads it.

outputs.pb     the outputs, which the core and Flyte's back end read themselves
error.pb       why it failed (`flyteidl2.core.ErrorDocument`), as Flyte's own containers say it
report.jsonl   the end of what it has reported
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors.connector import Phase, Resource
from flyte_connectors.io import storage
from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument, ExecutionError

from flyte_connectors_functions.call import REPORT
from flyte_connectors_functions.reports import Reported, read

if TYPE_CHECKING:
    from flyteidl2.task.common_pb2 import Outputs

ERROR = "error.pb"


def write_outputs(prefix: str, outputs: Outputs) -> None:
    """Store the outputs of a function. Blocks."""
    storage.write_bytes(storage.join(prefix, storage.OUTPUTS_FILE), outputs.SerializeToString())


def write_error(prefix: str, message: str, *, retryable: bool) -> None:
    """Store why a function failed. Blocks."""
    kind = ContainerError.RECOVERABLE if retryable else ContainerError.NON_RECOVERABLE
    error = ContainerError(code="USER", message=message, kind=kind, origin=ExecutionError.USER)
    uri = storage.join(prefix, ERROR)
    storage.write_bytes(uri, ErrorDocument(error=error).SerializeToString())


def ended(prefix: str, message: str = "") -> Resource:
    """The state of a job that has ended, by what its function has left. Blocks.

    Args:
        prefix: The output prefix of the job.
        message: Why the job failed, if the external system says so and the function did not get so far.

    Returns:
        SUCCEEDED, whose outputs are stored, FAILED or RETRYABLE_FAILED.

    Raises:
        StorageError: nothing can be read there now.
    """
    if storage.exists(storage.join(prefix, storage.OUTPUTS_FILE)):
        return Resource(phase=Phase.SUCCEEDED)
    try:
        document = ErrorDocument.FromString(storage.read_bytes(storage.join(prefix, ERROR)))
    except FileNotFoundError:
        return Resource(phase=Phase.FAILED, message=message or "the job ended before its function did")
    is_retryable = document.error.kind == ContainerError.RECOVERABLE
    phase = Phase.RETRYABLE_FAILED if is_retryable else Phase.FAILED
    return Resource(phase=phase, message=document.error.message)


def reported(prefix: str) -> Reported:
    """What the function of a job has reported so far. Blocks.

    Raises:
        StorageError: nothing can be read there now.
    """
    try:
        return read(storage.read_bytes(storage.join(prefix, REPORT)))
    except FileNotFoundError:
        return read(b"")
