"""Sessions with the official SDKs, and with the libraries of Flyte's back end."""

from __future__ import annotations

import pathlib
import shutil

import nox

from sessions.engines import SLURM
from sessions.installing import install
from sessions.packages import DEFAULT_PYTHON, PACKAGES


@nox.session(python=DEFAULT_PYTHON)
def interop(session: nox.Session) -> None:
    """Compare types and literals with the official SDK, each reading the other's."""
    install(session, "core", "deploy")
    session.install("flyte==2.12.*")
    session.run("pytest", "tests/interop", *session.posargs)


# What brings connectors, besides BigQuery's. Not perian-job and dgxc-lepton: their vendors' newest clients
# break them, and flytekit imports all of its plugins or none.
_FLYTE_PLUGINS = ("snowflake", "databricks", "slurm")
_FLYTEKIT_PLUGINS = (
    *("airflow", "awssagemaker", "k8sdataservice", "mmcloud", "openai", "slurm", "snowflake"),
    "spark",
)


@nox.session(python=DEFAULT_PYTHON)
def official(session: nox.Session) -> None:
    """Host the official SDKs' connectors, and ours there; prints the rules that two break, and what each answers."""
    install(session, "batch_job", "official", groups=("product",))
    old_arrow = "pyarrow<21"  # flytekit wants NumPy before 2
    flyte = ("flyte[connector]==2.12.*", "flyteplugins-bigquery==2.12.*")
    flytekit = ("flytekitplugins-bigquery==1.16.*", old_arrow)
    session.install(*flyte, *flytekit)
    apart = ("--ignore", "tests/official/vendors")
    session.run("pytest", "tests/official", *apart, *session.posargs)
    # The test bed is our BigQuery plugin's; installed, that plugin would serve the task type itself.
    session.run("python", "-m", "tests.official", env={"PYTHONPATH": str(PACKAGES["bigquery"] / "src")})
    session.install(*(f"flyteplugins-{name}==2.12.*" for name in _FLYTE_PLUGINS), old_arrow)
    session.install(*(f"flytekitplugins-{name}==1.16.*" for name in _FLYTEKIT_PLUGINS), old_arrow)
    session.run("python", "-m", "tests.official.published")
    session.install("moto[server]", "asyncssh")
    session.run("pytest", "tests/official/vendors", "-W", "ignore", *session.posargs)
    if all(map(shutil.which, SLURM.values())):
        session.run("python", "-m", "tests.official", "slurm")
    else:
        session.log("the official Slurm plugin is not measured: nox -s slurm installs a Slurm")


@nox.session(python=DEFAULT_PYTHON)
def go(session: nox.Session) -> None:
    """Drive two replicas with the gRPC library of Flyte's back end, over each transport (needs Go, and gRPC, of Debian)."""
    if not (shutil.which("go") and pathlib.Path("/usr/share/gocode/src/google.golang.org/grpc").is_dir()):
        packages = "golang-go golang-google-grpc-dev golang-google-protobuf-dev"
        session.error(f"not installed: apt-get install --no-install-recommends {packages}")
    install(session, "core", "asgi", "official", groups=("product",))
    for transport in session.posargs or ("grpcio", "asgi"):
        env = {"FLYTE_CONNECTORS_TRANSPORT": transport}
        session.run("python", "-m", "tests.go", env=env)
    session.run("pytest", "tests/go")  # the official chart, where FLYTE_CHARTS has it
