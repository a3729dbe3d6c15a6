"""Everything that is done to this repository; `nox -l` lists it."""

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, group: str) -> None:
    """Install this package and a dependency group."""
    session.install(".", *nox.project.dependency_groups(PROJECT, group))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests."""
    install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def typing(session: nox.Session) -> None:
    """Check types."""
    install(session, "typing")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Check style."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
