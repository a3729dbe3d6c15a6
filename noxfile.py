"""Everything that is done to this repository; `nox -l` lists it.

Sections: packages, installing, what a change affects; then the sessions: checks, tests, the official SDKs,
faults and load, machines with more, releasing.

The packages are found in `core/` and `plugins/*/`: a new folder joins every session by itself, on the
Python versions that it classifies itself for. Tests run against built wheels, never against the source
tree. `nox -- --changed [REF]` leaves out what no change since REF (usually main) can affect.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
IN_CI = bool(os.environ.get("CI"))
nox.options.error_on_missing_interpreters = IN_CI

# ---- Packages -------------------------------------------------------------------------------------

ROOT = pathlib.Path(__file__).parent
PACKAGES = {"core": ROOT / "core"} | {
    file.parent.name: file.parent for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))
}
PROJECTS = {name: nox.project.load_toml(folder / "pyproject.toml") for name, folder in PACKAGES.items()}
PYTHONS = nox.project.python_versions(PROJECTS["core"])


def _is_installed(python: str) -> bool:
    """Whether a version of Python is on this machine, and starts."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return True
    program = shutil.which(f"python{python}")
    starts = program and subprocess.run([program, "-c", ""], capture_output=True, check=False)  # noqa: S603
    return bool(starts) and not starts.returncode


# CI has every version, and says so where one is missing; elsewhere those that are there have to do.
INSTALLED = PYTHONS if IN_CI else [python for python in PYTHONS if _is_installed(python)]
DEFAULT_PYTHON = "3.11" if "3.11" in INSTALLED else INSTALLED[0]


def _needs(package: str, *, tests: bool) -> set[str]:
    """The packages of this repository that one needs, or its tests do, and what those need in turn."""
    project = PROJECTS[package]
    stated = [*project["project"]["dependencies"]]
    if tests and "test" in project.get("dependency-groups", {}):
        stated += nox.project.dependency_groups(project, "test")
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in stated}
    direct = {name for name in PACKAGES if PROJECTS[name]["project"]["name"] in names} - {package}
    return direct.union(*(_needs(name, tests=False) for name in direct))


def _dependents(package: str) -> set[str]:
    """The packages that need one, or whose tests do."""
    return {name for name in PACKAGES if package in _needs(name, tests=True)}


def _stated(*packages: str) -> list[str]:
    """What packages say that they need, for any of their extras, from elsewhere."""
    stated = []
    for project in (PROJECTS[name]["project"] for name in packages):
        stated += project["dependencies"]
        for extra in project.get("optional-dependencies", {}).values():
            stated += extra
    return [requirement for requirement in stated if not requirement.startswith("flyte-connectors")]


# What `nox` alone runs, in about 15 minutes on two cores: the core on the newest Python, and on the oldest
# with the lowest dependencies; plugins that are quickly tested on both, the others on the newest. Where a
# package would be left out, because its versions of Python are not installed, it runs on the newest that
# is. `nox -s tests` is the whole matrix.
_QUICK = ("deploy", "official", "otel")


def _usual_pythons(package: str) -> list[str]:
    supported = nox.project.python_versions(PROJECTS[package])
    usual = (PYTHONS[0], PYTHONS[-1]) if package in _QUICK else PYTHONS[-1:]
    installed = [python for python in supported if python in INSTALLED]
    return [python for python in installed if python in usual] or installed[-1:]


nox.options.sessions = [
    "lint",
    "docs",
    "typing",
    *(f"tests({package}, {python})" for package in PACKAGES for python in _usual_pythons(package)),
    f"tests(core, {INSTALLED[0]}, lowest)",
    "product",
    "slurm",
    "guard",
]


# ---- Installing -----------------------------------------------------------------------------------

# The versions that sessions install, so that new releases of other packages do not break them.
# It names no hosts: every developer may have another index. `nox -s lock` brings it up to date.
LOCK = ROOT / "constraints.txt"
LOCKED = ["--constraints", str(LOCK)]

_wheels_of: dict[str, str] = {}


def _wheels(session: nox.Session) -> dict[str, str]:
    """The wheel of every package, built once per run of nox."""
    if not _wheels_of:
        folder = session.cache_dir / "wheels"
        shutil.rmtree(folder, ignore_errors=True)
        for name, source in PACKAGES.items():
            session.run_install(
                "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder / name), str(source),
                external=True,
            )  # fmt: skip
            _wheels_of[name] = str(next((folder / name).glob("*.whl")))
    return _wheels_of


def _install(
    session: nox.Session,
    *packages: str,
    groups: tuple[str, ...] = ("test",),
    lowest: bool = False,
) -> None:
    """Install the wheels of `packages`, and of those they need, with groups of this repository.

    Where there are any groups, the packages' own `test` groups come along. With `lowest`, all that
    they state themselves is the lowest version that they allow, and that has a wheel for this Python.
    """
    wheels = _wheels(session)
    needed = {"core", *packages}.union(*(_needs(name, tests=bool(groups)) for name in packages))
    requirements = [wheels[name] for name in sorted(needed)]
    for group in groups:
        requirements += ["--group", f"{ROOT / 'pyproject.toml'}:{group}"]
    for name in packages if groups else ():
        project = PACKAGES[name] / "pyproject.toml"
        if "test" in PROJECTS[name].get("dependency-groups", {}):
            requirements += ["--group", f"{project}:test"]
    if not lowest:
        requirements += LOCKED
    if lowest:
        requirements += ["--resolution", "lowest-direct", "--only-binary", ":all:"]
        requirements += _stated("core", *packages)
    session.install(*requirements)


# ---- What a change affects ------------------------------------------------------------------------


BESIDE = ("--numprocesses", "auto", "--dist", "worksteal")
"""For many tests that wait more than they work: they run beside each other."""

USUAL_TESTS = ["-m", "not slow and not live"]


def _chosen(session: nox.Session, *packages: str, beside: tuple[str, ...] = ()) -> list[str]:
    """The arguments of pytest; skips the session with `--changed` if no change can affect it.

    Args:
        session: The session.
        packages: Those that it tests.
        beside: Other files and folders that it reads.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--changed", nargs="?", const="main", metavar="REF")
    options, chosen = parser.parse_known_args(session.posargs)
    if options.changed:
        paths = _changed_since(session, options.changed)
        concerned = any(path.is_relative_to(other) for path in paths for other in beside)
        if not concerned and affected(paths).isdisjoint(packages):
            session.skip(f"no change since {options.changed} can affect it")
    return chosen or USUAL_TESTS


def _changed_since(session: nox.Session, ref: str) -> list[pathlib.PurePath]:
    """Files that differ from where this branch left `ref`, those not committed included."""
    commands = (
        ("git", "diff", "--name-only", "--merge-base", ref),
        ("git", "ls-files", "--others", "--exclude-standard"),
    )
    found = [session.run_install(*command, external=True, silent=True) for command in commands]
    return [pathlib.PurePath(line) for text in found for line in str(text).splitlines()]


def affected(paths: Iterable[pathlib.PurePath]) -> set[str]:
    """The packages that changed files can break: their own, and those that need these.

    Args:
        paths: Relative to the top of the repository.
    """
    found: set[str] = set()
    for path in paths:
        if str(path) in {"noxfile.py", "pyproject.toml"}:
            return set(PACKAGES)
        for name, folder in PACKAGES.items():
            if path.is_relative_to(folder.relative_to(ROOT)):
                inside = path.relative_to(folder.relative_to(ROOT))
                found |= {name} if inside.parts[0] == "tests" else {name, *_dependents(name)}
        if path.parts[0] == "template":  # part of the core's wheel
            found |= {"core"}
    return found


# ---- Checks ---------------------------------------------------------------------------------------


@nox.session(python=DEFAULT_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and spelling."""
    session.install("--group", "lint", *LOCKED)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session(python=INSTALLED[0])
def typing(session: nox.Session) -> None:
    """Check types with mypy and pyright, those that connector authors see included."""
    _chosen(session, *PACKAGES)
    _install(session, *PACKAGES, groups=("typing",))
    if shutil.which("node") is None:
        session.install("pyright[nodejs]", *LOCKED)  # pyright is a program for Node.js
    for folder in (*(package / "src" for package in PACKAGES.values()), "core/typing_tests"):
        session.run("mypy", str(folder))
    session.run("pyright", "--pythonpath", f"{session.bin}/python")


@nox.session(python=DEFAULT_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation as a site, without any warning; prints where it is."""
    session.install("--group", "docs", "./core", *LOCKED)
    site = ROOT / ".nox" / "site"
    session.run("sphinx-build", "-aEqW", "--keep-going", "-c", "docs", ".", str(site))
    session.log(f"built {site / 'index.html'}")


# ---- Tests ----------------------------------------------------------------------------------------


@nox.session
@nox.parametrize(
    "python, package, dependencies",
    [
        nox.param(
            *(python, package, dependencies),
            id=f"{package}, {python}" + (", lowest" if dependencies == "lowest" else ""),
        )
        for package, project in PROJECTS.items()
        for python in nox.project.python_versions(project)
        for dependencies in ("newest", "lowest")
    ],
)
def tests(session: nox.Session, package: str, dependencies: str) -> None:
    """Run one package's own tests against its wheel; `-- -m slow` runs those that take long."""
    chosen = _chosen(session, package)
    _install(session, package, lowest=dependencies == "lowest")
    if dependencies == "lowest":  # old libraries use what newer ones have deprecated
        chosen = ["-W", "default::DeprecationWarning", *chosen]
    workers = BESIDE if package in ("core", "batch_job", "bigquery") else ()
    session.run("pytest", str(PACKAGES[package] / "tests"), *workers, *chosen)


@nox.session(python=DEFAULT_PYTHON)
def product(session: nox.Session) -> None:
    """Run the whole product's tests: real services, real processes, all plugins."""
    chosen = _chosen(session, *PACKAGES, beside=("tests", "docs", "examples", "README.md"))
    _install(session, *PACKAGES, groups=("product",))
    command = ("pytest", "tests", "--ignore=tests/interop")
    if chosen is not USUAL_TESTS:
        session.run(*command, *chosen)
        return
    # Most wait more than they work; those that measure time run by themselves afterwards.
    session.run(*command, *BESIDE, "-m", "not slow and not live and not alone")
    session.run(*command, "-m", "alone and not slow and not live")


@nox.session(python=DEFAULT_PYTHON)
def template(session: nox.Session) -> None:
    """Bake packages from the template, and test, build and check each; `-- all` for every combination."""
    session.install("--group", "test", "check-wheel-contents", "twine", "uv")
    chosen = [word for word in session.posargs if word != "all"]
    everything = {"TEMPLATE": "all"} if "all" in session.posargs else {}
    session.run("pytest", "tests/template", "-m", "slow or not slow", *chosen, env=everything)


# ---- The official SDKs ----------------------------------------------------------------------------


@nox.session(python=DEFAULT_PYTHON)
def interop(session: nox.Session) -> None:
    """Compare types and literals with the official SDK, each reading the other's."""
    _install(session, "core", "deploy")
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
    _install(session, "batch_job", "official", groups=("product",))
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
    if all(map(shutil.which, _SLURM.values())):
        session.run("python", "-m", "tests.official", "slurm")
    else:
        session.log("the official Slurm plugin is not measured: nox -s slurm installs a Slurm")


# ---- Faults and load ------------------------------------------------------------------------------


@nox.session(python=DEFAULT_PYTHON)
def chaos(session: nox.Session) -> None:
    """Drive the service as Flyte's back end does, through every fault there is; prints what it lost."""
    _install(session, "batch_job", groups=("product",))
    python = f"{session.bin}/python"
    arguments = session.posargs or ["--scenario", "all", "--replicas", "1,2", "--tasks", "100"]
    command = ["python", "-m", "tests.backend", "--against", "ours", "--python", python]
    session.run(*command, *arguments)


@nox.session(python=DEFAULT_PYTHON)
def attack(session: nox.Session) -> None:
    """Attack a real service in every way we can think of; prints what fell. Best run as root."""
    _install(session, *PACKAGES, groups=("product",))
    session.install("cookiecutter")
    session.run("python", "-m", "tests.attack", *(session.posargs or ["--full"]))


@nox.session(python=DEFAULT_PYTHON)
def soak(session: nox.Session) -> None:
    """Kill the service in mid-job 100 times, and stop it under load 40 times: nothing lost or doubled."""
    _install(session, *PACKAGES, groups=("product",))
    session.run("pytest", "tests/service", "-m", "slow", *session.posargs, env={"SOAK": "100"})
    for replicas in ("1", "2"):
        session.run("python", "-m", "tests.service.callers", "--replicas", replicas)


@nox.session(python="3.13")
def guard(session: nox.Session) -> None:
    """Count what requests and the start cost; fails if anything costs 3 % more than the baseline."""
    renew = "--renew" in session.posargs
    if not renew:
        _chosen(session, "core", beside=("benchmarks",))
    _install(session, "core", groups=())
    arguments = ["--renew"] if renew else []
    session.run("python", "-m", "benchmarks.guard", *arguments, env={"PYTHONHASHSEED": "0"})


@nox.session(python=DEFAULT_PYTHON)
def bench(session: nox.Session) -> None:
    """Measure against the official service and a bare gRPC server; prints ratios, `-- --json` all."""
    _install(session, "core", groups=())
    peer = pathlib.Path(session.create_tmp()) / "peer"
    session.run_install("uv", "venv", "--quiet", "--allow-existing", str(peer), external=True)
    session.run_install(
        "uv", "pip", "install", "--quiet", "--python", str(peer), "flyte[connector]==2.12.*",
        external=True,
    )  # fmt: skip
    asgi = pathlib.Path(session.create_tmp()) / "asgi"
    session.run_install("uv", "venv", "--quiet", "--allow-existing", str(asgi), external=True)
    wheels = [_wheels(session)[name] for name in ("core", "asgi")]
    session.run_install(*("uv", "pip", "install", "--quiet", "--python", str(asgi), *wheels, *LOCKED), external=True)
    session.run(
        "python", "-m", "benchmarks",
        "--ours-python", f"{session.bin}/python",
        "--asgi-python", str(asgi / "bin" / "python"),
        "--peer-python", str(peer / "bin" / "python"),
        *session.posargs,
    )  # fmt: skip


# ---- What needs more of the machine: root, Debian, a browser, a cloud -----------------------------


def _unpack(session: nox.Session, *packages: str) -> pathlib.Path:
    """The files of packages of Debian; installing them would start services on every address."""
    folder = pathlib.Path(session.create_tmp()).resolve() / "debian"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "debs").mkdir(parents=True)
    with session.chdir(folder / "debs"):
        session.run_install("apt-get", "download", "--quiet", *packages, external=True)
        for package in sorted((folder / "debs").iterdir()):
            session.run_install("dpkg", "-x", package.name, str(folder), external=True)
    return folder


def _path(session: nox.Session, *folders: pathlib.Path) -> str:
    return os.pathsep.join((*map(str, folders), *session.bin_paths, os.environ["PATH"]))


_PROXIES = ("nginx", "haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")


@nox.session(python=DEFAULT_PYTHON)
def rehearse(session: nox.Session) -> None:
    """Restart replicas one by one under load, behind nginx and HAProxy of Debian; prints what it cost."""
    _install(session, "core", "asgi", groups=("product",))  # FLYTE_CONNECTORS_TRANSPORT chooses
    folder = _unpack(session, *_PROXIES)
    libraries = ":".join(str(file.parent) for file in folder.rglob("liblua5.3.so.0"))
    session.run(
        *("python", "-m", "tests.rehearsal", "--python", f"{session.bin}/python", *session.posargs),
        env={"PATH": _path(session, folder / "usr" / "sbin"), "LD_LIBRARY_PATH": libraries},
    )  # fmt: skip


_IMAGE_TOOLS = ("buildah", "crun", "debootstrap")


@nox.session(python=DEFAULT_PYTHON)
def images(session: nox.Session) -> None:
    """Build images with buildah, run the service in them, measure them (needs root, and Debian)."""
    _install(session, "core", "batch_job", "deploy")
    session.install("uv")
    missing = [tool for tool in _IMAGE_TOOLS if not shutil.which(tool)]
    if missing:
        install = ("apt-get", "install", "--yes", "--no-install-recommends")
        session.run_install(*install, *missing, external=True, silent=True)
    folder = _unpack(session, "docker-registry")
    session.run(
        *("pytest", "tests/images", "-m", "slow", "-s", *session.posargs),
        env={"PATH": _path(session, folder / "usr" / "bin")},
    )


@nox.session(python=DEFAULT_PYTHON)
def go(session: nox.Session) -> None:
    """Drive two replicas with the gRPC library of Flyte's back end, over each transport (needs Go, and gRPC, of Debian)."""
    if not (shutil.which("go") and pathlib.Path("/usr/share/gocode/src/google.golang.org/grpc").is_dir()):
        packages = "golang-go golang-google-grpc-dev golang-google-protobuf-dev"
        session.error(f"not installed: apt-get install --no-install-recommends {packages}")
    _install(session, "core", "asgi", groups=("product",))
    for transport in session.posargs or ("grpcio", "asgi"):
        env = {"FLYTE_CONNECTORS_TRANSPORT": transport}
        session.run("python", "-m", "tests.go", env=env)


_OVER_ASGI = {
    "tests": ("pytest", "tests/service", "tests/hardening", "tests/cli", *BESIDE, *USUAL_TESTS),
    "conformance": ("pytest", "core/tests/kit", "tests/official", *BESIDE, *USUAL_TESTS),
    "backend": ("python", "-m", "tests.backend", "--against", "ours", "--scenario", "all"),
    "attack": ("python", "-m", "tests.attack", "--full"),
    "soak": ("python", "-m", "tests.service.callers", "--replicas", "2"),
}
"""What runs over the transport asgi, too. The tests of one package each are in `tests(asgi, 3.11)`."""


@nox.session(python=DEFAULT_PYTHON)
def asgi(session: nox.Session) -> None:
    """Run the tests of the service over the transport asgi; `-- backend`, `attack`, `soak`, ... for other programs."""
    _install(session, *PACKAGES, groups=("product",))
    for name in session.posargs or ("tests",):
        command = [*_OVER_ASGI[name]]
        if name == "backend":
            command += ["--python", f"{session.bin}/python"]
        session.run(*command, env={"FLYTE_CONNECTORS_TRANSPORT": "asgi"})


@nox.session(python=DEFAULT_PYTHON)
def browser(session: nox.Session) -> None:
    """Open the console and the training dashboards in a real browser, chromium of Debian.

    With the variable SCREENSHOTS, pictures of the pages go to that folder; those in `docs/pictures` come from there.
    """
    if not shutil.which("chromium"):
        if not shutil.which("apt-get") or os.geteuid():
            session.error("chromium is not installed: apt-get install chromium")
        install = ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
        session.run_install(*install, external=True, silent=True)
    _install(session, "bigquery", "console", "model_training", "training_service")
    for name, file in (("console", "browser"), ("training_service", "test_dashboard.py")):
        session.install("--group", f"{PACKAGES[name] / 'pyproject.toml'}:browser", *LOCKED)
        tests = str(PACKAGES[name] / "tests" / file)
        session.run("pytest", "-s", tests, "-m", "slow or not slow", *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def pages(session: nox.Session) -> None:
    """Measure what 200 open pages of the console cost the gRPC side, on a quiet machine."""
    _install(session, "console")
    session.install("psutil", *LOCKED)
    program = PACKAGES["console"] / "tests" / "cost_of_pages.py"
    session.run("python", str(program), *(session.posargs or ("--at-most", "1.1")))


@nox.session(python=DEFAULT_PYTHON)
def ray(session: nox.Session) -> None:
    """Train on a real Ray cluster, in a separate network namespace (needs root)."""
    _install(session, "model_training")
    session.install("ray[default]==2.60.*")
    command = "ip link set lo up && pytest plugins/model_training/tests/ray"
    session.run("unshare", "--net", "sh", "-c", command, external=True)


_SLURM = {
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
    chosen = _chosen(session, "batch_job")
    needed = dict(_SLURM) if chosen is USUAL_TESTS else {**_SLURM, **_DATABASE}
    if not all(map(shutil.which, needed.values())):
        if os.geteuid() or not shutil.which("apt-get"):
            leave = session.error if IN_CI else session.skip
            leave("no batch jobs on Slurm: it is not installed, which needs root on Debian")
        quietly = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # no daemon is started
        install = ("apt-get", "install", "--yes", "--no-install-recommends", *needed)
        session.run_install("apt-get", "update", "--quiet", external=True, silent=True)
        session.run_install(*install, external=True, silent=True, env=quietly)
    _install(session, "batch_job")
    tests = PACKAGES["batch_job"] / "tests" / "slurm"
    accounting, wanted = tests / "test_slurm_accounting.py", {"SLURM_TESTS": "1"}
    # Most of them wait for Slurm, so they run beside each other, each worker with a cluster of its own;
    # those with a database in one process.
    workers = ("--numprocesses", "4", f"--ignore={accounting}")
    session.run("pytest", str(tests), *workers, *chosen, env=wanted)
    if chosen is not USUAL_TESTS:
        session.run("pytest", str(accounting), *chosen, env=wanted)


@nox.session(python=DEFAULT_PYTHON)
def kubernetes(session: nox.Session) -> None:
    """Run batch jobs on a real Kubernetes API server (needs root, and Debian 12 to build it once).

    The servers are those in `$KUBEBUILDER_ASSETS`, or else are built and kept, in 12 minutes of CPU.
    """
    _install(session, "batch_job", "deploy")
    tests = PACKAGES["batch_job"] / "tests" / "kubernetes"
    servers = os.environ.get("KUBEBUILDER_ASSETS") or str(session.cache_dir / "kubernetes-1.20.2")
    if not (pathlib.Path(servers) / "etcd").exists():
        session.run_install("bash", str(tests / "build_servers.sh"), servers, external=True)
    chosen = session.posargs or ["-m", "slow"]
    session.run("pytest", str(tests), *chosen, env={"KUBEBUILDER_ASSETS": servers})


@nox.session(python=DEFAULT_PYTHON)
def mlflow(session: nox.Session) -> None:
    """Track trainings on a real MLflow server, which is large to install."""
    _install(session, "model_training", "training_service")
    session.install("mlflow==3.*")
    folder = PACKAGES["training_service"] / "tests" / "mlflow"
    session.run("pytest", str(folder), *session.posargs)


@nox.session(venv_backend="none")
def bare(session: nox.Session) -> None:
    """Run README's test command as a plain user on a minimal Debian (root; downloads 100 MB once)."""
    session.run(str(ROOT / ".ci" / "bare"), *session.posargs, external=True)


@nox.session(python=DEFAULT_PYTHON)
def live(session: nox.Session) -> None:
    """Run BigQuery's tests of results on Google's service, where credentials are present."""
    if not os.environ.get("BIGQUERY_TEST_PROJECT"):
        session.skip("BIGQUERY_TEST_PROJECT names no project of Google Cloud")
    _install(session, "bigquery")
    session.run("pytest", str(PACKAGES["bigquery"] / "tests"), "-m", "live", *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def demo(session: nox.Session) -> None:
    """Show real jobs in a minute: served, followed, not lost when the service is killed; a model trained."""
    names = ["core", "functions", "batch_job", "console", "training_service"]
    names += ["bigquery"] if os.environ.get("BIGQUERY_EMULATOR_HOST") else []
    training = f"{PACKAGES['model_training']}[service]"
    session.install(*(str(PACKAGES[name]) for name in names), training, silent=True)
    session.run("python", "docs/demo/demo.py", *session.posargs)


# ---- Releasing ------------------------------------------------------------------------------------


@nox.session(python=DEFAULT_PYTHON)
def lock(session: nox.Session) -> None:
    """Write the newest versions of all that the sessions need to `constraints.txt`."""
    needed = set(_stated(*PACKAGES))
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    for project in (root, *PROJECTS.values()):
        for group in project.get("dependency-groups", {}):
            needed |= set(nox.project.dependency_groups(project, group))
    requirements = pathlib.Path(session.create_tmp()) / "requirements.in"
    foreign = sorted(one for one in needed if not one.startswith("flyte-connectors"))
    requirements.write_text("".join(f"{one}\n" for one in foreign))
    session.run_install(
        *("uv", "pip", "compile", "--quiet", "--upgrade", "--universal", str(requirements)),
        *("--python-version", PYTHONS[0], "--no-header", "--no-annotate", "--no-emit-index-url"),
        *("--output-file", str(LOCK)),
        external=True,
    )


@nox.session(venv_backend="none")
def urls(session: nox.Session) -> None:
    """Write the project's addresses, `[tool.flyte-connectors.urls]` of the root, into every package."""
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    addresses = root["tool"].get("flyte-connectors", {}).get("urls", {})
    table = "".join(f'{name} = "{address}"\n' for name, address in addresses.items())
    for folder in PACKAGES.values():
        file = folder / "pyproject.toml"
        without = re.sub(r"\n\[project\.urls\]\n(?:[^\[\n].*\n)*", "", file.read_text())
        above, mark, below = without.partition("\n[project.optional-dependencies]")
        if not mark:
            above, mark, below = without.partition("\n[dependency-groups]")
        file.write_text(above + (f"\n[project.urls]\n{table}" if table else "") + mark + below)
    session.log(f"{len(addresses)} addresses in {len(PACKAGES)} packages")


@nox.session
@nox.parametrize("package", list(PACKAGES), ids=list(PACKAGES))
def build(session: nox.Session, package: str) -> None:
    """Build one package for its release into dist/, check it, and show what is new in it."""
    dist, source = ROOT / "dist" / package, PACKAGES[package]
    shutil.rmtree(dist, ignore_errors=True)
    session.run_install("uv", "build", "-q", "--out-dir", str(dist), str(source), external=True)
    wheel, sdist = (str(next(dist.glob(f"*{ending}"))) for ending in (".whl", ".tar.gz"))
    session.install(wheel, *([] if package == "core" else [_wheels(session)["core"]]))
    session.run("flyte-connectors", "list")
    session.install("--group", "release")
    session.run("twine", "check", "--strict", wheel, sdist)
    version = PROJECTS[package]["project"]["version"]
    notes = ("--draft", "--config", "pyproject.toml", "--dir", str(source), "--version", version)
    session.run("towncrier", "build", *notes)
