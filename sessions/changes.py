"""Which tests a session runs, and which packages a change can break."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterable

import nox

from sessions.packages import PACKAGES, ROOT, dependents

USUAL_TESTS = ["-m", "not slow and not live"]


def chosen_tests(session: nox.Session, *packages: str, beside: tuple[str, ...] = ()) -> list[str]:
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
        if str(path) in {"noxfile.py", "pyproject.toml"} or path.parts[0] == "sessions":
            return set(PACKAGES)
        for name, folder in PACKAGES.items():
            if path.is_relative_to(folder.relative_to(ROOT)):
                inside = path.relative_to(folder.relative_to(ROOT))
                found |= {name} if inside.parts[0] == "tests" else {name, *dependents(name)}
        if path.parts[0] == "template":  # part of the core's wheel
            found |= {"core"}
    return found
