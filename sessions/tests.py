"""Sessions that test: each package by itself, the whole product, and the template."""

from __future__ import annotations

import nox

from sessions.changes import USUAL_TESTS, chosen_tests
from sessions.installing import install
from sessions.packages import DEFAULT_PYTHON, PACKAGES, PROJECTS

BESIDE = ("--numprocesses", "auto", "--dist", "worksteal")
"""For many tests that wait more than they work: they run beside each other."""


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
    if dependencies == "lowest":  # old libraries use what newer ones have deprecated
        chosen = ["-W", "default::DeprecationWarning", *chosen]
    workers = BESIDE if package in ("core", "batch_job", "bigquery") else ()
    session.run("pytest", str(PACKAGES[package] / "tests"), *workers, *chosen)


@nox.session(python=DEFAULT_PYTHON)
def product(session: nox.Session) -> None:
    """Run the whole product's tests: real services, real processes, all plugins."""
    chosen = chosen_tests(session, *PACKAGES, beside=("tests", "docs", "examples", "README.md"))
    install(session, *PACKAGES, groups=("product",))
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
