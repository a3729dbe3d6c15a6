"""The cluster of the operator's settings: its channel, its files, and what is remembered of its jobs."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from flyte_connectors.errors import ServiceUnavailableError

from flyte_connectors_batch_job.backends.slurm.commands import Commands, Here
from flyte_connectors_batch_job.backends.slurm.files import LocalFiles
from flyte_connectors_batch_job.backends.slurm.folder import JobFolder
from flyte_connectors_batch_job.backends.slurm.memory import Memory
from flyte_connectors_batch_job.backends.slurm.settings import COMMANDS, FOLDER_VARIABLE
from flyte_connectors_batch_job.backends.slurm.view import View
from flyte_connectors_batch_job.settings import BatchJobSettings

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.slurm.channel import Channel
    from flyte_connectors_batch_job.backends.slurm.files import Files
    from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings


class Cluster(NamedTuple):
    """A cluster, as this process sees it. Nothing of it is needed to find a job again."""

    settings: SlurmSettings
    channel: Channel
    files: Files
    view: View
    memory: Memory

    def folder(self, job_id: str) -> JobFolder:
        """The folder of a job."""
        return JobFolder(self.files, job_id)

    def path(self, job_id: str) -> str:
        """Where a job's folder is on the nodes."""
        return f"{self.settings.folder}/{job_id}"


_clusters: dict[tuple[int, SlurmSettings], Cluster] = {}
_lock = threading.Lock()


def current() -> Cluster:
    """The cluster of the settings. Raises ServiceUnavailableError if they are wrong."""
    settings = BatchJobSettings.read().slurm
    if not settings.folder:
        message = f"the jobs' folder is not set: set {FOLDER_VARIABLE} to a path that the nodes see, too"
        raise ServiceUnavailableError(message, outcome_unknown=False)
    key = os.getpid(), settings  # a forked child shares neither threads nor connections
    found = _clusters.get(key)
    if found is None:
        with _lock:
            found = _clusters.setdefault(key, _cluster(settings))
    return found


def _cluster(settings: SlurmSettings) -> Cluster:
    channel: Channel
    files: Files = LocalFiles(settings.folder)
    if settings.address == COMMANDS:
        channel = Commands(Here())
    elif settings.address.startswith("ssh:"):
        from flyte_connectors_batch_job.backends.slurm.ssh import Connection, RemoteFiles

        connection = Connection(settings)
        channel, files = Commands(connection), RemoteFiles(connection, settings.folder)
    else:
        from flyte_connectors_batch_job.backends.slurm.rest import Rest

        channel = Rest(settings)
    return Cluster(settings, channel, files, View(channel, settings.poll_seconds), Memory())
