"""Protects the service from jobs that run as its own user.

The operating system protects users from each other, not the processes of one user: a job that runs as
the service's user can read what that user can. The service closes its own memory and environment, where
the system can do that, and warns about what stays open.
"""

from __future__ import annotations

import logging
import os
import pathlib
import sys
from collections.abc import Iterable

from flyte_connectors.bound import BoundConnector
from flyte_connectors.secrets import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, ENVIRONMENT_PREFIX
from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4  # prctl(2)
_ENVIRONMENT_AT = (47, 48)  # env_start and env_end in proc_pid_stat(5), behind the command's name


def close_memory() -> None:
    """Keep other processes of this user out of this one's memory, environment and open files.

    On Linux it can't be traced any more, writes no core dump, `/proc/<pid>/environ` is blank, and what
    else in `/proc` shows its insides belongs to root. Processes with `CAP_SYS_PTRACE`, which root has outside
    of containers, still have access, so `sudo py-spy` works. Programs that this process starts are not
    affected. Call it before there are threads.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for name, value in os.environ.items():
        os.putenv(name, value)  # C libraries now read a copy of what is blanked next
    fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(fields[place]) for place in _ENVIRONMENT_AT)
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)


def warn_of_shared_credentials(connectors: Iterable[BoundConnector], settings: ServiceSettings) -> None:
    """Log one warning if jobs run as this process's user and credentials are within its reach."""
    types = [c.category.name for c in connectors if _runs_here(c)]
    held = _credentials(connectors, settings)
    if types and held:
        logger.warning(
            "jobs of type %s run as this service's user (uid %d) and can read what that user can: %s. "
            "Serve them in a separate service, as another user and without credentials; see "
            "SECURITY.md",
            ", ".join(sorted(types)),
            os.geteuid(),
            ", ".join(held),
        )


def _runs_here(connector: BoundConnector) -> bool:
    return bool(getattr(connector.plugin, "jobs_run_as_service_user", False))


def _credentials(connectors: Iterable[BoundConnector], settings: ServiceSettings) -> list[str]:
    """The sources of this process's credentials: their names, never their values."""
    variables = sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX))
    directory = pathlib.Path(os.environ.get(DIRECTORY_VARIABLE, DEFAULT_DIRECTORY))
    files = [directory] if directory.is_dir() and any(directory.iterdir()) else []
    named = [settings.tls_key, settings.auth_token_file]
    own = [f"the secrets of {c.name}" for c in connectors if c.own_secrets]
    return [*variables, *map(str, files), *(path for path in named if path), *own]
