"""What the operator sets: the back ends, the path of the spool, and the ids of deleted spools."""

from __future__ import annotations

import os
from pathlib import Path

from flyte_connectors.errors import ServiceUnavailableError

from flyte_connectors_batch_job import backends

BACKEND_VARIABLE = "FLYTE_BATCH_JOB_BACKEND"
SPOOL_VARIABLE = "FLYTE_BATCH_JOB_SPOOL"
RETIRED_VARIABLE = "FLYTE_BATCH_JOB_RETIRED_SPOOLS"
SHARED_VARIABLE = f"{SPOOL_VARIABLE}_SHARED"  # named by the rule that `deploy` goes by

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def allowed_backends() -> list[str]:
    """Names of the back ends that tasks may use; the first runs those that choose none.

    Raises:
        ServiceUnavailableError: the variable names an unknown one.
    """
    listed = os.environ.get(BACKEND_VARIABLE, "").replace(",", " ").split() or [backends.LOCAL]
    for name in listed:
        if name not in backends.NAMES:
            message = f"{BACKEND_VARIABLE} names the unknown back end '{name}'"
            raise ServiceUnavailableError(f"{message}; available: {', '.join(backends.NAMES)}")
    return listed


def spool_directory() -> str:
    """`$FLYTE_BATCH_JOB_SPOOL`, or else a folder in the user's state directory.

    Source of the default: XDG Base Directory Specification 0.8, `$XDG_STATE_HOME`.

    Raises:
        ServiceUnavailableError: the variable is relative, or unset and the user has no home directory.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    directory = os.environ.get(SPOOL_VARIABLE) or state / "flyte-connectors" / "batch-job"
    try:
        path = Path(directory).expanduser()
    except RuntimeError:  # users in containers often have no home directory
        path = Path(directory)
    if not path.is_absolute():
        message = f"the spool '{path}' is not an absolute path: set {SPOOL_VARIABLE} to one"
        raise ServiceUnavailableError(message)
    return str(path)


def is_spool_shared() -> bool:
    """Whether `$FLYTE_BATCH_JOB_SPOOL_SHARED` says that all replicas have the same spool.

    Raises:
        ServiceUnavailableError: it says neither yes nor no.
    """
    text = os.environ.get(SHARED_VARIABLE, "").strip().lower()
    if text not in _TRUE | _FALSE:
        message = f"{SHARED_VARIABLE} is '{text}': set it to true or false"
        raise ServiceUnavailableError(message)
    return text in _TRUE


def retired_spools() -> frozenset[str]:
    """Ids of the deleted spools, from `$FLYTE_BATCH_JOB_RETIRED_SPOOLS`; their jobs count as lost."""
    listed = os.environ.get(RETIRED_VARIABLE, "").replace(",", " ").split()
    return frozenset(listed)
