"""The state of a function's job: what it returned as outputs, and what it reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase
from flyte_connectors.errors import OutputError

from flyte_connectors_batch_job.backends.interface import JobState

if TYPE_CHECKING:
    from flyte_connectors_functions.reports import Reported


def with_outputs(state: JobState) -> JobState:
    """The state, with what the function returned as outputs."""
    if state.outputs is None:
        return state
    from flyte_connectors_batch_job.functions.copied import read_outputs

    try:
        return state._replace(outputs=read_outputs(state.outputs))
    except OutputError as error:
        return JobState(Phase.FAILED, str(error))


def with_report(state: JobState, reported: Reported) -> JobState:
    """The state, with what the function has reported."""
    details: dict[str, Any] = {**(state.details or {}), **reported.details}
    message = state.message
    if state.phase is Phase.RUNNING and not message:
        message = reported.message or None
    return state._replace(message=message, details=details or None)
