"""How a job ended: by what its script wrote, and by what Slurm and its accounting say.

What is written counts first, because Slurm forgets; success is never guessed. A verdict is written down, so
that it stays when more has been forgotten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase

from flyte_connectors_batch_job import quantities
from flyte_connectors_batch_job.backends.interface import JobState
from flyte_connectors_batch_job.backends.local import outputs
from flyte_connectors_batch_job.backends.slurm import script, states
from flyte_connectors_batch_job.backends.slurm.files import DamagedFileError
from flyte_connectors_batch_job.wrapper import outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.slurm.channel import Record
    from flyte_connectors_batch_job.backends.slurm.folder import JobFolder, Outcome

_MESSAGE_CHARACTERS = 1000
_TAIL_BYTES = 64 * 1024


def judged(folder: JobFolder, spec: Mapping[str, Any], index: int, record: Record | None) -> JobState | None:
    """How an index ended; None if nothing says so yet.

    Args:
        folder: The job's folder.
        spec: What was asked for.
        index: The index; 0 of a job that is not an array.
        record: What Slurm says, or its accounting; None if they know nothing.
    """
    outcome = folder.outcome(index)
    if outcome and outcome.cause == "ended" and spec.get("files"):
        wrapped = _wrapped(folder, index)
        if wrapped:
            return wrapped
    if outcome and not outcome.code and outcome.cause == "ended":
        return _success(folder, spec, index)
    if folder.is_cancelled():
        return JobState(Phase.ABORTED)
    if record:
        state = _by_slurm(spec, record)
        if state:
            return state
    if outcome:
        return _failure(folder, spec, index, outcome)
    return _without_outcome(record) if record else None


def _wrapped(folder: JobFolder, index: int) -> JobState | None:
    """What the wrapper of a job with files says; None if it says nothing."""
    try:
        data = folder.read(index, script.WRAPPED, outcomes.MAX_BYTES)
        return None if data is None else outcomes.Outcome(json.loads(data)).state
    except (DamagedFileError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return JobState(Phase.FAILED, "the job's outcome can't be read")


def _by_slurm(spec: Mapping[str, Any], record: Record) -> JobState | None:
    """What a state says that no exit code could."""
    state = record.state
    if state in states.LOST_MACHINES:
        where = f" ({record.nodes})" if record.nodes else ""
        message = f"{states.LOST_MACHINES[state]}: {state}{where}"
        return JobState(Phase.RETRYABLE_FAILED, message)
    if state == "OUT_OF_MEMORY":
        asked = spec.get("memory_bytes")
        limit = f"its memory limit of {quantities.readable(asked)}" if asked else "the memory it got"
        return JobState(Phase.FAILED, f"the job exceeded {limit}")
    if state == "TIMEOUT":
        return JobState(Phase.FAILED, "the job exceeded the time limit of its partition or account")
    if state == "DEADLINE":
        return JobState(Phase.FAILED, "the job could not end before its deadline in Slurm")
    if state == "CANCELLED":
        who = f"user {record.cancelled_by}" if record.cancelled_by else "an administrator or its user"
        return JobState(Phase.FAILED, f"the job was cancelled in Slurm by {who}, not by Flyte")
    return None


def _failure(folder: JobFolder, spec: Mapping[str, Any], index: int, outcome: Outcome) -> JobState | None:
    """How a command failed, by what its script wrote."""
    if outcome.cause == "setup":
        return JobState(Phase.FAILED, outcome.message)
    if outcome.cause == "time":
        return JobState(Phase.FAILED, f"the job exceeded its time limit of {spec['timeout_seconds']:g} s")
    if outcome.cause == "cancelled":
        message = f"Slurm ended the job on node {outcome.host}, and has forgotten why"
        return JobState(Phase.RETRYABLE_FAILED, message)
    last = last_line(folder, index, "stderr")
    message = f"the job ended with exit code {outcome.code}" + (f": {last}" if last else "")
    may_retry = outcome.code in spec["retry_exit_codes"]
    return JobState(Phase.RETRYABLE_FAILED if may_retry else Phase.FAILED, message)


def _success(folder: JobFolder, spec: Mapping[str, Any], index: int) -> JobState:
    try:
        data = folder.read(index, outputs.NAME, outputs.MAX_BYTES + 1)
        if data is not None and len(data) > outputs.MAX_BYTES:
            message = f"$BATCH_JOB_OUTPUTS holds more than {outputs.MAX_BYTES} bytes"
            return JobState(Phase.FAILED, message)
        line = spec["line_output"]
        last = last_line(folder, index, "stdout") if line and data is None else ""
        found = outputs.check(data, spec["outputs"], line, last)
    except DamagedFileError as error:
        return JobState(Phase.FAILED, f"$BATCH_JOB_OUTPUTS {error}")
    except outputs.OutputsError as error:
        return JobState(Phase.FAILED, str(error))
    return JobState(Phase.SUCCEEDED, outputs=found)


def _without_outcome(record: Record) -> JobState:
    """Of a job that ended without a word of its script: killed, or never really started."""
    code, where = record.exit_code, record.nodes or "its node"
    if code == script.NO_FOLDER:
        message = f"the jobs' folder is not on {where}, or its user may not use it"
        return JobState(Phase.FAILED, message)
    if code in (script.NOT_OWNER, script.STARTED_TWICE):
        message = f"Slurm started the job a second time, on {where}; it did not run again"
        return JobState(Phase.RETRYABLE_FAILED, message)
    end = "" if code is None else f" with exit code {code}"
    message = f"the job ended{end} on {where} without an outcome: it may have been killed"
    return JobState(Phase.RETRYABLE_FAILED, message)


def last_line(folder: JobFolder, index: int, name: str) -> str:
    """The last line of a file of an index that is not blank; empty if there is none."""
    try:
        offset = max(folder.size(index, name) - _TAIL_BYTES, 0)
        data = folder.read(index, name, _TAIL_BYTES, offset) or b""
    except DamagedFileError:
        return ""
    lines = (line.strip() for line in reversed(data.decode(errors="replace").splitlines()))
    return next((line for line in lines if line), "")[:_MESSAGE_CHARACTERS]


def to_json(state: JobState) -> dict[str, Any]:
    """A verdict as it is written down."""
    return {**state._asdict(), "phase": int(state.phase)}


def from_json(verdict: Mapping[str, Any]) -> JobState:
    """What `to_json` wrote."""
    return JobState(
        Phase(verdict["phase"]),
        verdict.get("message"),
        verdict.get("outputs"),
        verdict.get("details"),
    )
