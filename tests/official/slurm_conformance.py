"""The official Slurm plugin under the conformance kit; `python -m tests.official slurm` makes a table of it.

Its cluster is that of the tests of our own plugin: a real Slurm on loopback, and a login node with SSH.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flyte.models import SerializationContext
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest
from flyteplugins.slurm import Slurm, SlurmScriptTask
from flyteplugins.slurm.connector import SlurmScriptConnector

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins/batch_job/tests"))
sys.path.insert(0, str(Path(__file__).parents[2] / "plugins/batch_job/tests/slurm"))

from batch_jobs import wait_for
from slurm_cluster import SlurmCluster
from slurm_jobs import shared_folder
from slurm_service import SlurmService
from slurm_ssh import SshServer

FORGOTTEN_SECONDS = 2


class OfficialService(SlurmService):
    """The cluster; a job is known by its id in Slurm, and asks for its orders under that."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        super().__init__(cluster, folder)
        self._before = {job for job, *_ in cluster.jobs()}

    @property
    def script(self) -> str:
        return f"BATCH_JOB_ID=$SLURM_JOB_ID\n{super().script}"

    def jobs(self) -> dict[str, bool]:
        return {
            job: state not in ("COMPLETED", "FAILED", "CANCELLED")
            for job, state, *_ in self._cluster.jobs()
            if job not in self._before
        }

    def forget(self, job: str) -> None:
        self.complete(job)
        self._cluster.reconfigure(min_job_age=FORGOTTEN_SECONDS)
        try:
            wait_for(lambda: job not in self.jobs())
        finally:
            self._cluster.reconfigure(min_job_age=300)

    def write_log(self, job: str, lines: Any) -> None:
        shown = self._cluster.checked("scontrol", "show", "job", job)
        [path] = re.findall(r"StdOut=(.*)", shown)
        log = Path(path)
        before = log.stat().st_size if log.exists() else 0
        draft = self._orders / f"{job}.draft"
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.rename(self._orders / f"{job}.lines")
        wanted = before + sum(len(line) + 1 for line in lines)
        wait_for(lambda: log.exists() and log.stat().st_size >= wanted)

    def _end(self, job: str, order: str) -> None:
        (self._orders / f"{job}.{order}").touch()
        wait_for(lambda: not self.jobs()[job])


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A cluster without accounting."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as root:
        cluster = SlurmCluster(Path(root))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


class TestSlurm(ConnectorConformance):
    """`flyteplugins.slurm.connector:SlurmScriptConnector`."""

    skips: ClassVar[Mapping[str, str]] = {
        "test_any_replica_serves_the_job": "the kit's replica makes the class of the adapter",
        "test_inputs_arrive_unchanged": "inputs are texts in the environment of the script",
    }

    @pytest.fixture
    def service(
        self, cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[OfficialService]:
        service = OfficialService(cluster, shared_folder(cluster))
        environment = {**cluster.environment, "PATH": service.path}
        with SshServer(tmp_path / "ssh", environment) as login:
            key = (tmp_path / "ssh" / "user").read_text()
            settings = {
                "HOST": "127.0.0.1",
                "PORT": str(login.port),
                "USERNAME": "root",
                "SSH_PRIVATE_KEY": key,
                "KNOWN_HOSTS": str(tmp_path / "ssh" / "known_hosts"),
                "WORKING_DIR": str(tmp_path / "work"),
            }
            for name, value in settings.items():
                monkeypatch.setenv(f"FLYTE_SLURM_{name}", value)
            yield service
            service.come_back()
            cluster.run("scancel", "--me")

    @pytest.fixture
    def connector(self, service: OfficialService) -> type[SlurmScriptConnector]:
        return SlurmScriptConnector

    @pytest.fixture
    def good_request(self, service: OfficialService) -> CreateTaskRequest:
        return CreateTaskRequest(template=_serialized(service.script), output_prefix="file:///nowhere")

    @pytest.fixture
    def bad_requests(self) -> Mapping[str, CreateTaskRequest]:
        lacks_script = CreateTaskRequest(template=_serialized("true"), output_prefix="file:///nowhere")
        del lacks_script.template.custom["script"]
        return {"custom.script": lacks_script}


def _serialized(script: str) -> Any:
    """The task as the official SDK sends it."""
    from flyte._internal.runtime.task_serde import get_proto_task

    task = SlurmScriptTask(name="waits", script=script, plugin_config=Slurm(mem="50M"))
    task.parent_env_name = "env"
    return get_proto_task(task, SerializationContext(version="1", project="p", domain="d"))
