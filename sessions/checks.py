"""Sessions that read the code, and run none of it."""

from __future__ import annotations

import concurrent.futures
import shutil
import sys

import nox

from sessions.changes import chosen_tests
from sessions.installing import LOCKED, install
from sessions.packages import DEFAULT_PYTHON, INSTALLED, PACKAGES, ROOT


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
    chosen_tests(session, *PACKAGES)
    install(session, *PACKAGES, groups=("typing",))
    if shutil.which("node") is None:
        session.install("pyright[nodejs]", *LOCKED)  # pyright is a program for Node.js
    folders = [str((package / "src").relative_to(ROOT)) for package in PACKAGES.values()]
    checks = (("mypy", *folders, "core/typing_tests"), ("pyright", "--pythonpath", f"{session.bin}/python"))
    with concurrent.futures.ThreadPoolExecutor() as beside_each_other:  # each keeps one core busy
        for output in beside_each_other.map(lambda check: session.run(*check, silent=True), checks):
            sys.stdout.write(str(output))


@nox.session(python=DEFAULT_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation as a site, without any warning; prints where it is."""
    session.install("--group", "docs", "./core", *LOCKED)
    site = ROOT / ".nox" / "site"
    session.run("sphinx-build", "-aEqW", "--keep-going", "-c", "docs", ".", str(site))
    session.log(f"built {site / 'index.html'}")
