"""What the operator sets: where the spool is."""

from __future__ import annotations

import os

from flyte_connectors.errors import ServiceUnavailableError

SPOOL_VARIABLE = "FLYTE_BATCH_JOB_SPOOL"


def spool_directory() -> str:
    """`$FLYTE_BATCH_JOB_SPOOL`, or else a folder in the user's state directory.

    Source of the default: XDG Base Directory Specification 0.8, `$XDG_STATE_HOME`.

    Raises:
        ServiceUnavailableError: the variable is relative, or unset while the user has no home.
    """
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    default = os.path.join(state, "flyte-connectors", "batch-job")
    directory = os.environ.get(SPOOL_VARIABLE) or default
    if not os.path.isabs(directory):
        message = f"the spool '{directory}' is no absolute path: set {SPOOL_VARIABLE} to one"
        raise ServiceUnavailableError(message)
    return directory
