"""Batch jobs for Flyte: commands and scripts that run as supervised processes.

In the order of reading:

    config       BatchJobConfig, the fields of a job, and their form in `custom`
    connector    BatchJobConnector, what the service calls
    task         BatchJobTask, what a workflow author writes
    request      the job that a task template asks for
    inputs       the task's inputs as JSON
    quantities   numbers as Kubernetes writes them, such as 500m and 2Gi
    log_pages    a page of the job's log as Flyte's log messages
    metrics      the job's resource usage as Flyte's metric results
    settings     what the operator sets
    clean        removes old jobs: `python -m flyte_connectors_batch_job.clean`
    backends     where the jobs run: the interface, and a folder for each back end

Everything is loaded on first use: a job's supervisor is in this package too, and must not load gRPC.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flyte_connectors_batch_job.config import BatchJobConfig
    from flyte_connectors_batch_job.connector import BatchJobConnector, BatchJobMetadata
    from flyte_connectors_batch_job.task import BatchJobTask

__all__ = ["BatchJobConfig", "BatchJobConnector", "BatchJobMetadata", "BatchJobTask"]

_HOMES = {
    "BatchJobConfig": "config",
    "BatchJobConnector": "connector",
    "BatchJobMetadata": "connector",
    "BatchJobTask": "task",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
