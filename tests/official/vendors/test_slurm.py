"""`flyteplugins-slurm`, over SSH on loopback to a real Slurm: a script, and one that is cancelled."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import Phase
from flyte_connectors.testing.harness import WIRE, driving, until

sys.path.insert(0, str(Path(__file__).parents[3] / "plugins/batch_job/tests"))
sys.path.insert(0, str(Path(__file__).parents[3] / "plugins/batch_job/tests/slurm"))

from tests.official.vendors.whole_job import request_for, whole_job

slurm = pytest.importorskip("flyteplugins.slurm.connector")
slurm_cluster = pytest.importorskip("slurm_cluster")
slurm_ssh = pytest.importorskip("slurm_ssh")

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the SDK's own
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        bool(slurm_cluster.missing_programs()),
        reason="Slurm is not installed: nox -s slurm installs it",
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as root:
        cluster = slurm_cluster.SlurmCluster(Path(root))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def ssh(cluster: Any) -> Iterator[Any]:
    """A login node of the cluster."""
    with slurm_ssh.SshServer(cluster.root / "ssh", cluster.environment) as server:
        yield server


def request_of(ssh: Any, cluster: Any, script: str) -> Any:
    folder = cluster.root / "ssh"
    connection = {
        "host": "127.0.0.1", "port": ssh.port, "username": "root",
        "known_hosts": str(folder / "known_hosts"),
    }  # fmt: skip
    custom = {"connection": connection, "script": script, "working_dir": str(cluster.root / "jobs")}
    secrets = {"ssh_private_key": (folder / "user").read_text()}
    return request_for("slurm_script", custom, secrets=secrets)


async def test_a_script_runs(cluster: Any, ssh: Any) -> None:
    """Submitted, polled to its end, and deleted."""
    done = cluster.root / "done"
    resource = await whole_job(slurm.SlurmScriptConnector(), request_of(ssh, cluster, f"echo hello > {done}"))
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert done.read_text() == "hello\n"


async def test_a_job_is_cancelled(cluster: Any, ssh: Any) -> None:
    """By `delete`; Slurm itself says so."""
    async with driving(slurm.SlurmScriptConnector(), WIRE) as driver:
        meta = await driver.create(request_of(ssh, cluster, "sleep 300"))
        assert (await driver.get(meta)).phase in {Phase.QUEUED, Phase.RUNNING, Phase.INITIALIZING}
        await driver.delete(meta)
        await until(lambda: not cluster.run("squeue", "-h", "-t", "RUNNING,PENDING").stdout, "the job's end")
        await driver.delete(meta)
