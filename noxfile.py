"""Everything that is done to this repository; `nox -l` lists it.

The packages are found in `core/` and `plugins/*/`: a new folder joins every session by itself. Tests
run against built wheels, never against the source tree.
"""

from __future__ import annotations

import functools
import os
import pathlib
import shutil

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "typing", "tests", "product"]
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))

ROOT = pathlib.Path(__file__).parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
DEFAULT_PYTHON = "3.11"
PACKAGES = {"core": ROOT / "core"} | {
    folder.name: folder for folder in sorted((ROOT / "plugins").iterdir()) if folder.is_dir()
}


def _wheels(session: nox.Session) -> dict[str, str]:
    """The wheel of every package, built once per run of nox."""
    return _built(session, session.cache_dir / "wheels")


@functools.lru_cache(maxsize=1)
def _built(session: nox.Session, folder: pathlib.Path) -> dict[str, str]:
    shutil.rmtree(folder, ignore_errors=True)
    for name, source in PACKAGES.items():
        session.run_install(
            "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder / name), str(source),
            external=True,
        )  # fmt: skip
    return {name: str(next((folder / name).glob("*.whl"))) for name in PACKAGES}


def _install(session: nox.Session, *packages: str, groups: tuple[str, ...] = ("test",)) -> None:
    """Install the wheels of `packages` with what the groups of this repository list."""
    wheels = _wheels(session)
    requirements = [wheels["core"], *(wheels[name] for name in packages if name != "core")]
    for group in groups:
        requirements += ["--group", f"{ROOT / 'pyproject.toml'}:{group}"]
    for name in packages:
        project = PACKAGES[name] / "pyproject.toml"
        if "test" in nox.project.load_toml(project).get("dependency-groups", {}):
            requirements += ["--group", f"{project}:test"]
    session.install(*requirements)


@nox.session(python=PYTHONS)
@nox.parametrize("package", list(PACKAGES))
def tests(session: nox.Session, package: str) -> None:
    """Run one package's own tests against its wheel."""
    _install(session, package)
    session.run("pytest", str(PACKAGES[package] / "tests"), *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def product(session: nox.Session) -> None:
    """Run the whole product's tests: real services, real processes, all plugins."""
    _install(session, *PACKAGES, groups=("product",))
    session.run("pytest", "tests", "--ignore=tests/interop", *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def interop(session: nox.Session) -> None:
    """Compare types and literals with the official SDK, each reading the other's."""
    _install(session, "core")
    session.install("flyte==2.12.*", "pydantic>=2")
    session.run("pytest", "tests/interop", *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def demo(session: nox.Session) -> None:
    """Show a real job: served, started, followed, and not lost when the service is killed."""
    session.install(*(str(PACKAGES[name]) for name in ("core", "batch_job")), silent=True)
    session.run("python", "docs/demo/demo.py", *session.posargs)


@nox.session(python=DEFAULT_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and spelling."""
    session.install("--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session(python=DEFAULT_PYTHON)
def typing(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    _install(session, *PACKAGES, groups=("typing",))
    for folder in PACKAGES.values():
        session.run("mypy", str(folder / "src"))
    session.run("pyright", "--pythonpath", f"{session.bin}/python")


@nox.session(python=DEFAULT_PYTHON)
def soak(session: nox.Session) -> None:
    """Kill the service with SIGKILL a hundred times in mid-job: nothing lost, nothing doubled."""
    _install(session, *PACKAGES, groups=("product",))
    session.run("pytest", "tests", "-m", "slow", *session.posargs, env={"SOAK": "100"})


@nox.session(python=DEFAULT_PYTHON)
def bench(session: nox.Session) -> None:
    """Measure against the official service and a bare gRPC server; prints ratios."""
    _install(session, "core", groups=())
    peer = pathlib.Path(session.create_tmp()) / "peer"
    session.run_install("uv", "venv", "--quiet", "--allow-existing", str(peer), external=True)
    session.run_install(
        "uv", "pip", "install", "--quiet", "--python", str(peer), "flyte[connector]==2.12.*",
        external=True,
    )  # fmt: skip
    session.run(
        "python", "-m", "benchmarks",
        "--ours-python", f"{session.bin}/python",
        "--peer-python", str(peer / "bin" / "python"),
        *session.posargs,
    )  # fmt: skip
