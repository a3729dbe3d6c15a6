"""Sessions that need more of the machine: containers, a browser, a minimal Debian."""

from __future__ import annotations

import os
import shutil

import nox

from sessions.installing import LOCKED, install, install_from_debian, path_with, unpack
from sessions.packages import DEFAULT_PYTHON, PACKAGES, ROOT

_IMAGE_TOOLS = ("buildah", "crun", "debootstrap")


@nox.session(python=DEFAULT_PYTHON)
def images(session: nox.Session) -> None:
    """Build images with buildah, run the service in them, measure them (needs root, and Debian)."""
    install(session, "core", "batch_job", "deploy")
    session.install("uv")
    missing = [tool for tool in _IMAGE_TOOLS if not shutil.which(tool)]
    if missing:
        install_from_debian(session, *missing)
    folder = unpack(session, "docker-registry")
    session.run(
        *("pytest", "tests/images", "-m", "slow", "-s", *session.posargs),
        env={"PATH": path_with(session, folder / "usr" / "bin")},
    )


@nox.session(python=DEFAULT_PYTHON)
def browser(session: nox.Session) -> None:
    """Open the console and the training dashboards in a real browser, chromium of Debian.

    With the variable SCREENSHOTS, pictures of the pages go to that folder; those in `docs/pictures` come from there.
    """
    if not shutil.which("chromium"):
        if not shutil.which("apt-get") or os.geteuid():
            session.error("chromium is not installed: apt-get install chromium")
        install_from_debian(session, "chromium")
    install(session, "bigquery", "console", "model_training", "training_service")
    for name, file in (("console", "browser"), ("training_service", "test_dashboard.py")):
        session.install("--group", f"{PACKAGES[name] / 'pyproject.toml'}:browser", *LOCKED)
        tests = str(PACKAGES[name] / "tests" / file)
        session.run("pytest", "-s", tests, "-m", "slow or not slow", *session.posargs)


@nox.session(venv_backend="none")
def bare(session: nox.Session) -> None:
    """Run README's demo and tests as a plain user on a minimal Debian (root; downloads 100 MB once)."""
    session.run(str(ROOT / ".ci" / "bare"), *session.posargs, external=True)


@nox.session(python=DEFAULT_PYTHON)
def demo(session: nox.Session) -> None:
    """Show real jobs in a minute: served, followed, not lost when the service is killed; a model trained."""
    names = ["core", "functions", "batch_job", "console", "training_service"]
    names += ["bigquery"] if os.environ.get("BIGQUERY_EMULATOR_HOST") else []
    training = f"{PACKAGES['model_training']}[service]"
    session.install(*(str(PACKAGES[name]) for name in names), training, silent=True)
    session.run("python", "docs/demo/demo.py", *session.posargs)
