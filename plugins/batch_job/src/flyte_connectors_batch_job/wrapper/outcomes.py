"""What the service reads of a wrapper: the outcome of its job."""

from __future__ import annotations

import json
from typing import Any

from flyte_connectors.connector import Phase
from flyte_connectors.errors import ServiceUnavailableError

from flyte_connectors_batch_job.backends.interface import JobState
from flyte_connectors_batch_job.wrapper import run, storage, uris
from flyte_connectors_batch_job.wrapper.faults import TransferError

MAX_BYTES = 4 * 1024 * 1024

_PHASES = {
    run.SUCCEEDED: Phase.SUCCEEDED,
    run.FAILED: Phase.FAILED,
    run.LOST: Phase.RETRYABLE_FAILED,
}
_READINGS = ("cpu_seconds", "wall_seconds", "peak_memory_bytes")


class Outcome:
    """How a job ended, as its wrapper says.

    Args:
        content: The JSON object that the wrapper wrote.

    Attributes:
        state: Phase, message, and outputs.
        exit_code: Exit code of the command; negative for a signal; None if it did not start.
        usage: `at` and the readings by name, as `BatchBackend.usage` returns them; may be empty.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        message, outputs = content.get("message"), content.get("outputs")
        phase = _PHASES[content["state"]]
        self.state = JobState(
            phase,
            message if isinstance(message, str) else None,
            outputs if isinstance(outputs, dict) and phase == Phase.SUCCEEDED else None,
        )
        code = content.get("exit_code")
        self.exit_code = code if isinstance(code, int) else None
        readings = {name: content.get(name) for name in ("at", *_READINGS)}
        is_complete = all(isinstance(value, (int, float)) for value in readings.values())
        self.usage: dict[str, float] = readings if is_complete else {}  # type: ignore[assignment]


def read(uri: str) -> Outcome | None:
    """The outcome that a wrapper wrote to a path or URI; None if there is none.

    The job could write there, too: anything but an outcome is a failure.

    Raises:
        ServiceUnavailableError: it can't be read now.
    """
    try:
        data = storage.read_bytes(uri, MAX_BYTES)
    except FileNotFoundError:
        return None
    except TransferError as error:
        if error.may_retry:
            raise ServiceUnavailableError(str(error)) from error
        return _damaged(str(error))
    except OSError as error:
        raise ServiceUnavailableError(f"{uri}: {error.strerror or error}") from error
    try:
        return Outcome(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _damaged(f"the job's outcome at {uris.shown(uri)} can't be read")


def _damaged(message: str) -> Outcome:
    return Outcome({"state": run.FAILED, "message": message})
