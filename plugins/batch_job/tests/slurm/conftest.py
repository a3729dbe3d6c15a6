"""Real clusters, and the connector that uses them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slurm_cluster import SlurmCluster, missing_programs
from slurm_jobs import SlurmJobs, shared_folder, use
from slurm_ssh import SshServer

from flyte_connectors_batch_job.backends.slurm.cluster import current

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

WAYS = ("commands", "rest", "socket", "ssh")
HERE = Path(__file__).parent
VARIABLE = "SLURM_TESTS"
"""Set by `nox -s slurm`, which installs what a cluster needs."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a cluster, where none is asked for."""
    if os.environ.get(VARIABLE):
        return
    clusters = {"cluster", "accounted_cluster", "confined_cluster"}
    left_out = [
        item
        for item in items
        if item.path.is_relative_to(HERE) and clusters.intersection(item.fixturenames)  # type: ignore[attr-defined]
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with each failure what Slurm says of its node and jobs."""
    report = yield
    used = item.funcargs if isinstance(item, pytest.Function) else {}
    jobs = next((value for value in used.values() if isinstance(value, SlurmJobs)), None)
    if report.failed and jobs is not None:
        commands = (("sinfo", "-N", "-l"), ("sinfo", "-R"), ("squeue", "-l"))
        told = [jobs.cluster.run(*command) for command in commands]
        log = (jobs.cluster.root / "log" / "slurmctld.log").read_text(errors="replace").splitlines()
        text = "\n".join([*(each.stdout[-2000:] + each.stderr for each in told), *log[-60:]])
        report.sections.append(("what Slurm says", text))
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A cluster without accounting."""
    yield from _cluster()


@pytest.fixture(scope="session")
def accounted_cluster() -> Iterator[SlurmCluster]:
    """A cluster with accounting, whose controller soon forgets jobs that have ended."""
    yield from _cluster(accounting=True, min_job_age=5)


@pytest.fixture(scope="session")
def confined_cluster() -> Iterator[SlurmCluster]:
    """A cluster whose node holds jobs to the memory that they asked for."""
    if not Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        pytest.skip("the machine has no control groups of version 1")
    yield from _cluster(control_groups=True)


@pytest.fixture(scope="session")
def ssh(cluster: SlurmCluster) -> Iterator[SshServer]:
    """A login node of the cluster."""
    with SshServer(cluster.root / "ssh", cluster.environment) as server:
        yield server


@pytest.fixture
def folder(cluster: SlurmCluster) -> Path:
    """A folder for the jobs of one test, which the user `slurm` may use as well."""
    return shared_folder(cluster)


@pytest.fixture
def jobs(cluster: SlurmCluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmJobs:
    """The connector, by the commands."""
    use(monkeypatch, cluster, folder)
    return SlurmJobs(cluster, folder)


@pytest.fixture(params=WAYS)
def anyway(
    request: pytest.FixtureRequest,
    cluster: SlurmCluster,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SlurmJobs]:
    """The connector, by each way to Slurm."""
    use(monkeypatch, cluster, folder)
    if request.param == "rest":
        token = cluster.root / "token"
        token.write_text(cluster.token())
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", cluster.rest_url)
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_TOKEN_FILE", str(token))
    elif request.param == "socket":
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", f"unix:{cluster.root}/rest/sock")
    elif request.param == "ssh":
        server: SshServer = request.getfixturevalue("ssh")
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
    yield SlurmJobs(cluster, folder)
    if request.param == "ssh":
        current().files.close()


def _cluster(**options: object) -> Iterator[SlurmCluster]:
    missing = missing_programs()
    assert not missing, f"not installed: {', '.join(missing)} (nox -s slurm installs them)"
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as root:
        cluster = SlurmCluster(Path(root), **options)  # type: ignore[arg-type]
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
