"""Where batch jobs run: a folder for each back end.

interface    what each back end offers, and the job that it is asked to run
local        processes on this machine, under a supervisor each

A back end is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.interface import BatchBackend

LOCAL = "local"
NAMES = (LOCAL,)


def load(name: str) -> BatchBackend:
    """The back end of a name, one of `NAMES`."""
    from flyte_connectors_batch_job.backends.local.backend import LocalBackend

    return {LOCAL: LocalBackend}[name]()
