"""Where batch jobs run: a folder for each back end.

interface    what each back end offers, and the job that it is asked to run
local        processes on this machine, under a supervisor each
kubernetes   Jobs in a cluster
slurm        jobs of a Slurm cluster
indexes      the state of an array, by those of its indexes
outages      what is answered while an engine can't be reached
modules      whether an interpreter has what a function imports

A back end is loaded when it is first used.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.interface import BatchBackend

LOCAL = "local"

_HOMES = {LOCAL: "LocalBackend", "slurm": "SlurmBackend", "kubernetes": "KubernetesBackend"}

NAMES = tuple(_HOMES)
MAPS_AS_ARRAYS = ("slurm", "kubernetes")
"""Where the calls of a function's `map` are an array. Here they are jobs, which `at_once` limits and a failure ends."""


def load(name: str) -> BatchBackend:
    """The back end of a name, one of `NAMES`.

    Raises:
        ServiceUnavailableError: what it needs is not installed.
    """
    try:
        module = importlib.import_module(f"{__name__}.{name}.backend")
    except ImportError as error:
        from flyte_connectors.errors import ServiceUnavailableError

        message = f"the back end '{name}' can't be loaded: {error}"
        raise ServiceUnavailableError(message, outcome_unknown=False) from error
    backend: BatchBackend = getattr(module, _HOMES[name])()
    return backend
