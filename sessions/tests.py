"""Sessions that test: each package by itself, the whole product, the template, and what users install."""

from __future__ import annotations

import os
import pathlib
import shutil

import nox

from sessions.changes import USUAL_TESTS, chosen_tests
from sessions.installing import LOCKED, install, wheels
from sessions.packages import DEFAULT_PYTHON, PACKAGES, PROJECTS
from sessions.summary import run_tests

BESIDE = ("--numprocesses", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal")
"""Tests run beside each other, and more of them than there are cores: they wait more than they work."""


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
    chosen = chosen_tests(session, package)
    install(session, package, lowest=dependencies == "lowest")
    if dependencies == "lowest":
        if chosen is USUAL_TESTS:
            chosen = ["-m", f"{USUAL_TESTS[-1]} and not once"]
        chosen = ["-W", "default::DeprecationWarning", *chosen]  # old libraries use what newer ones have deprecated
    run_tests(session, str(PACKAGES[package] / "tests"), *BESIDE, *chosen)


@nox.session(python=DEFAULT_PYTHON)
def product(session: nox.Session) -> None:
    """Run the whole product's tests: real services, real processes, all plugins."""
    chosen = chosen_tests(session, *PACKAGES, beside=("tests", "docs", "examples", "README.md"))
    install(session, *PACKAGES, groups=("product",))
    whole = ("tests", "--ignore=tests/interop")
    if chosen is not USUAL_TESTS:
        run_tests(session, *whole, *chosen)
        return
    # Most wait more than they work; those that measure time run by themselves afterwards.
    run_tests(session, *whole, *BESIDE, "-m", "not slow and not live and not alone")
    alone = [str(file) for file in sorted(pathlib.Path("tests").rglob("test_*.py")) if "mark.alone" in file.read_text()]
    run_tests(session, *alone, "-m", "alone and not slow and not live")


@nox.session(python=DEFAULT_PYTHON)
def template(session: nox.Session) -> None:
    """Bake packages from the template, and test, build and check each; `-- all` for every combination."""
    session.install("--group", "test", "check-wheel-contents", "twine", "uv")
    chosen = [word for word in session.posargs if word != "all"]
    everything = {"TEMPLATE": "all"} if "all" in session.posargs else {}
    session.run("pytest", "tests/template", "-m", "slow or not slow", *chosen, env=everything)


@nox.session(python=DEFAULT_PYTHON)
def extras(session: nox.Session) -> None:
    """Install each package and extra from wheels in an empty environment, and use it; the demo, too."""
    session.install("--group", "test", "uv", *LOCKED)
    folder = pathlib.Path(session.create_tmp()).resolve()
    for wheel in wheels(session).values():
        shutil.copy(wheel, folder)
    chosen = session.posargs or ["-m", "slow", "--numprocesses", "2"]
    session.run("pytest", "tests/extras", *chosen, env={"WHEELS": str(folder)})
