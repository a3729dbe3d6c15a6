"""The connector on a cluster, as the tests use it."""

from __future__ import annotations

import grp
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_jobs import Jobs
from slurm_cluster import variables

if TYPE_CHECKING:
    import pytest
    from slurm_cluster import SlurmCluster

    from flyte_connectors_batch_job import BatchJobMetadata


class SlurmJobs(Jobs):
    """The connector on a cluster, with jobs named by the test."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.cluster = cluster
        self.folder = folder
        self._mark = secrets.token_hex(3)

    def key(self, name: str) -> str:
        """A key that no other test has: Slurm remembers them all."""
        return f"{name}-{self._mark}"

    def start(self, script: str | None = None, *, key: str = "a-job", **arguments: Any) -> BatchJobMetadata:
        """Create a job."""
        return super().start(script, key=self.key(key), **arguments)

    def released(self, key: str) -> list[str]:
        """Ids of the jobs of a key that were released."""
        listed = self.cluster.jobs()
        return [job for job, _, priority, name in listed if name == f"flyte-{self.key(key)}" and priority != "0"]

    def listed(self, key: str) -> list[str]:
        """States of all jobs of a key."""
        return [state for _, state, _, name in self.cluster.jobs() if name == f"flyte-{self.key(key)}"]


def use(monkeypatch: pytest.MonkeyPatch, cluster: SlurmCluster, folder: Path) -> None:
    """Have the connector use a cluster."""
    for name, value in variables(cluster, folder).items():
        monkeypatch.setenv(name, value)


def shared_folder(cluster: SlurmCluster) -> Path:
    """A new folder for jobs."""
    folder = Path(tempfile.mkdtemp(prefix="jobs-", dir=cluster.root))
    os.chown(folder, 0, grp.getgrnam("slurm").gr_gid)
    folder.chmod(0o2770)
    return folder


def counted(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> Path:
    """A file that gets a line for each time that a program is run."""
    log = folder / f"{program}.log"
    log.touch()
    wrapper = folder / program
    wrapper.write_text(f'#!/bin/sh\necho >> {log}\nPATH=${{PATH#*:}} exec {program} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def lines(path: Path) -> int:
    """How many lines a file has."""
    return path.read_text().count("\n")
