"""The packages of this repository, what they need, and the Pythons that they are tested on."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import nox

IN_CI = bool(os.environ.get("CI"))

ROOT = pathlib.Path(__file__).parents[1]
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


def needed_by(package: str, *, tests: bool) -> set[str]:
    """The packages of this repository that one needs, or its tests do, and what those need in turn."""
    project = PROJECTS[package]
    stated = [*project["project"]["dependencies"]]
    if tests and "test" in project.get("dependency-groups", {}):
        stated += nox.project.dependency_groups(project, "test")
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in stated}
    direct = {name for name in PACKAGES if PROJECTS[name]["project"]["name"] in names} - {package}
    return direct.union(*(needed_by(name, tests=False) for name in direct))


def dependents(package: str) -> set[str]:
    """The packages that need one, or whose tests do."""
    return {name for name in PACKAGES if package in needed_by(name, tests=True)}


def stated_by(*packages: str) -> list[str]:
    """What packages say that they need, for any of their extras, from elsewhere."""
    stated = []
    for project in (PROJECTS[name]["project"] for name in packages):
        stated += project["dependencies"]
        for extra in project.get("optional-dependencies", {}).values():
            stated += extra
    return [requirement for requirement in stated if not requirement.startswith("flyte-connectors")]


def usual_pythons(package: str) -> list[str]:
    """The Python that `nox` alone tests a package on: the newest that is here; none where it supports none of these.

    The core's lowest dependencies are tested on the oldest; `nox -s tests` is the whole matrix.
    """
    return [python for python in nox.project.python_versions(PROJECTS[package]) if python in INSTALLED][-1:]
