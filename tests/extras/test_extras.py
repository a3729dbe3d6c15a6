"""Every package, and every extra of it, in an environment that holds nothing else.

The wheels are those in the folder `WHEELS`; what they need comes from the package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
import tomllib

from tests.docs.markdown import ROOT

PROJECTS = {
    project["name"]: project
    for file in (ROOT / "core" / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml")))
    for project in [tomllib.loads(file.read_text())["project"]]
}
CHOICES = [
    f"{name}[{extra}]" if extra else name
    for name, project in PROJECTS.items()
    for extra in ("", *project.get("optional-dependencies", {}))
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Environment:
    """A virtual environment, and a user whose home is empty.

    Args:
        folder: Where both are made.
        requirements: What is installed.
        installer: `uv`, or `pip` as in the pages.
    """

    def __init__(self, folder: Path, *requirements: str, installer: str = "uv") -> None:
        self._folder = folder / "venv"
        self._home = folder / "home"
        self._home.mkdir()
        wheels = ("--quiet", "--find-links", os.environ["WHEELS"])
        if installer == "pip":
            run(sys.executable, "-m", "venv", str(self._folder))
            run(str(self._folder / "bin" / "pip"), "install", *wheels, *requirements)
        else:
            run("uv", "venv", "--quiet", "--python", sys.executable, str(self._folder))
            python = ("--python", str(self._folder / "bin" / "python"))
            run("uv", "pip", "install", *python, *wheels, *requirements)
            run("uv", "pip", "check", "--quiet", *python)

    def run(self, program: str, *arguments: str) -> str:
        """What a program of the environment prints; it has to succeed."""
        binaries = self._folder / "bin"
        env = {"HOME": str(self._home), "PATH": f"{binaries}:/usr/bin:/bin", "PYTHONWARNINGS": "error::SyntaxWarning"}
        return run(str(binaries / program), *arguments, cwd=self._home, env=env)

    def installed(self) -> list[Distribution]:
        """Our packages in it."""
        (place,) = self._folder.glob("lib/*/site-packages")
        return [one for one in distributions(path=[str(place)]) if one.name.startswith("flyte-connectors")]


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What a command prints; it has to succeed."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_installed_is_loaded(choice: str, tmp_path: Path) -> None:
    """The command starts, and each plugin that came along is in its list, without a fault."""
    environment = Environment(tmp_path, choice)
    assert environment.run("flyte-connectors", "--version").startswith("flyte-connectors ")
    rows = json.loads(environment.run("flyte-connectors", "list", "--json"))
    assert {row["status"] for row in rows} <= {"loaded", "unavailable"}
    assert not [row for row in rows if row["status"] == "unavailable" and "official" not in row["distribution"]]
    ours = environment.installed()
    plugins = {one.name for one in ours if one.entry_points.select(group="flyte.connectors")}
    assert {row["distribution"] for row in rows} == plugins
    for one in ours:
        for script in one.entry_points.select(group="console_scripts"):
            environment.run(script.name, "--help")


def test_the_extra_all_has_every_plugin_for_production(tmp_path: Path) -> None:
    """And the doctor finds nothing to object to."""
    environment = Environment(tmp_path, "flyte-connectors[all]")
    here = {one.name for one in environment.installed()}
    assert here == set(PROJECTS) - {"flyte-connectors-training-service"}
    assert "0 faults, 0 warnings" in environment.run("flyte-connectors", "doctor")


def test_functions_run_where_pip_has_installed_the_readme_s_extra(tmp_path: Path) -> None:
    """The first example of the documentation, by pip."""
    environment = Environment(tmp_path, "flyte-connectors[batch-job]", installer="pip")
    example = shutil.copytree(ROOT / "examples" / "function_map_reduce", tmp_path / "words")
    arguments = ("--json", "--quiet", str(example / "words.py"), "words", "--folder", str(example / "texts"))
    answer = json.loads(environment.run("flyte-connectors", "run", *arguments))
    assert answer["o0"]["to"] == 2


def test_the_demo_needs_no_more_than_its_packages(tmp_path: Path) -> None:
    """From wheels, and none of them from this repository's folders."""
    environment = Environment(
        tmp_path, "flyte-connectors[batch-job,console]", "flyte-connectors-model-training[service]"
    )
    said = environment.run("python", str(ROOT / "docs" / "demo" / "demo.py"))
    assert "Nothing was lost" in said
