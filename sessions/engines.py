"""Sessions with real engines and services: Slurm, Kubernetes, Ray, MLflow, BigQuery."""

from __future__ import annotations

import os
import pathlib
import shutil

import nox

from sessions.changes import USUAL_TESTS, chosen_tests
from sessions.installing import install, install_from_debian
from sessions.packages import DEFAULT_PYTHON, IN_CI, PACKAGES
from sessions.summary import run_tests

SLURM = {
    "slurm-wlm": "slurmctld",
    "slurmrestd": "slurmrestd",
    "munge": "munged",
    "slurm-wlm-jwt-plugin": "sh",  # a plugin has no program
}
_DATABASE = {
    "slurmdbd": "slurmdbd",
    "mariadb-server-core": "mariadbd",
    "mariadb-client": "mariadb",
}
"""Packages of Debian, and a program of each."""


@nox.session(python=DEFAULT_PYTHON)
def slurm(session: nox.Session) -> None:
    """Run batch jobs on a real Slurm, on loopback (needs root, and Debian); `-- -m slow` for what takes long."""
    chosen = chosen_tests(session, "batch_job")
    needed = dict(SLURM) if chosen is USUAL_TESTS else {**SLURM, **_DATABASE}
    if not all(map(shutil.which, needed.values())):
        if os.geteuid() or not shutil.which("apt-get"):
            leave = session.error if IN_CI else session.skip
            leave("no batch jobs on Slurm: it is not installed, which needs root on Debian")
        session.run_install("apt-get", "update", "--quiet", external=True, silent=True)
        install_from_debian(session, *needed)
    install(session, "batch_job")
    tests = PACKAGES["batch_job"] / "tests" / "slurm"
    apart = [str(tests / f"test_slurm_{name}.py") for name in ("accounting", "outages")]
    wanted = {"SLURM_TESTS": "1"}
    # Most of them wait for Slurm, so they run beside each other, each worker with a cluster of its own;
    # those with a database, and those that measure time, in one process.
    workers = ("--numprocesses", "4", *(f"--ignore={file}" for file in apart))
    run_tests(session, str(tests), *workers, *chosen, env=wanted)
    if chosen is not USUAL_TESTS:
        run_tests(session, *apart, *chosen, env=wanted)


@nox.session(python=DEFAULT_PYTHON)
def kubernetes(session: nox.Session) -> None:
    """Run batch jobs on a real Kubernetes API server (needs root, and Debian 12 to build it once).

    The servers are those in `$KUBEBUILDER_ASSETS`, or else are built and kept, in 12 minutes of CPU.
    """
    install(session, "batch_job")
    tests = PACKAGES["batch_job"] / "tests" / "kubernetes"
    servers = os.environ.get("KUBEBUILDER_ASSETS") or str(session.cache_dir / "kubernetes-1.20.2")
    if not (pathlib.Path(servers) / "etcd").exists():
        session.run_install("bash", str(tests / "build_servers.sh"), servers, external=True)
    chosen = session.posargs or ["-m", "slow"]
    session.run("pytest", str(tests), *chosen, env={"KUBEBUILDER_ASSETS": servers})


@nox.session(python=DEFAULT_PYTHON)
def ray(session: nox.Session) -> None:
    """Train on a real Ray cluster, in a separate network namespace (needs root)."""
    install(session, "model_training")
    session.install("ray[default]==2.60.*")
    command = "ip link set lo up && pytest plugins/model_training/tests/ray"
    session.run("unshare", "--net", "sh", "-c", command, external=True)


@nox.session(python=DEFAULT_PYTHON)
def mlflow(session: nox.Session) -> None:
    """Track trainings on a real MLflow server, which is large to install."""
    install(session, "model_training", "training_service")
    session.install("mlflow==3.*")
    folder = PACKAGES["training_service"] / "tests" / "mlflow"
    session.run("pytest", str(folder), *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def live(session: nox.Session) -> None:
    """Run BigQuery's tests of results on Google's service, where credentials are present."""
    if not os.environ.get("BIGQUERY_TEST_PROJECT"):
        session.skip("BIGQUERY_TEST_PROJECT names no project of Google Cloud")
    install(session, "bigquery")
    session.run("pytest", str(PACKAGES["bigquery"] / "tests"), "-m", "live", *session.posargs)
