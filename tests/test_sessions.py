"""The matrix of sessions is made of what the packages say of themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"core", *(file.parent.name for file in ROOT.glob("plugins/*/pyproject.toml"))}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository, as far as the noxfile reads it when it is loaded."""
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    shutil.copytree(ROOT / "sessions", tmp_path / "sessions")
    for file in (ROOT / "core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(file, target)
    return tmp_path


def add_plugin(root: Path, name: str, python: str, needs: str, tests_need: str = "") -> None:
    """Put a package into `plugins/`."""
    folder = root / "plugins" / name
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "flyte-connectors-{name}"\n'
        f'classifiers = ["Programming Language :: Python :: {python}"]\n'
        f'dependencies = ["{needs}"]\n'
        f"[dependency-groups]\ntest = {[tests_need] if tests_need else []}\n"
    )


def sessions(root: Path) -> list[dict[str, str]]:
    """What `nox -l -s tests` lists."""
    command = [
        sys.executable,
        "-m",
        "nox",
        "-f",
        str(root / "noxfile.py"),
        "-l",
        "--json",
        "-s",
        "tests",
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def affected(root: Path, *paths: str) -> set[str]:
    """The packages that changed files can break."""
    code = (
        "import json, pathlib, sys, noxfile; from sessions import changes; "
        "print(json.dumps(sorted(changes.affected(map(pathlib.PurePath, sys.argv[1:])))))"
    )
    command = [sys.executable, "-c", code, *paths]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    return set(json.loads(answer.stdout))


def test_a_new_plugin_joins_by_itself(copy: Path) -> None:
    """With the newest and the lowest dependencies, on the Pythons that it is for."""
    known = {session["session"] for session in sessions(copy)}
    add_plugin(copy, "new", "3.12", needs="flyte-connectors")
    (copy / "plugins" / "__pycache__").mkdir()
    added = {session["session"] for session in sessions(copy)} - known
    assert added == {"tests(new, 3.12)", "tests(new, 3.12, lowest)"}


def test_a_plugin_is_affected_by_itself_and_by_what_it_needs(copy: Path) -> None:
    """Through other plugins, too; by the tests and the extras of others it is not."""
    add_plugin(copy, "base", "3.12", needs="flyte-connectors>=0.1")
    add_plugin(copy, "on_top", "3.12", needs="flyte-connectors-base [extra]")
    every = {*PACKAGES, "base", "on_top"}
    assert affected(copy, "core/src/flyte_connectors/errors.py") == every
    assert affected(copy, "plugins/base/src/base.py") == {"base", "on_top"}
    assert affected(copy, "plugins/on_top/pyproject.toml", "README.md") == {"on_top"}
    assert affected(copy, "core/tests/test_guard.py") == {"core"}


def test_a_plugin_is_affected_by_what_its_tests_need(copy: Path) -> None:
    """What needs that plugin is not: nobody runs its tests for them."""
    add_plugin(copy, "server", "3.12", needs="flyte-connectors[http]")
    tests_need = "flyte-connectors-server[testing]"
    add_plugin(copy, "client", "3.12", needs="flyte-connectors", tests_need=tests_need)
    add_plugin(copy, "on-top", "3.12", needs="flyte-connectors-client")
    assert affected(copy, "plugins/server/src/server.py") == {"server", "client"}


def test_what_all_share_affects_all(copy: Path) -> None:
    """Documentation is nobody's package."""
    assert (
        affected(copy, "noxfile.py")
        == affected(copy, "sessions/tests.py")
        == affected(copy, "pyproject.toml")
        == PACKAGES
    )
    assert affected(copy, "docs/index.md", "benchmarks/__main__.py") == set()


def test_one_python_runs_the_tests_of_every_package(tmp_path: Path) -> None:
    """On a fresh machine nothing is left out because another version is missing; CI says so instead."""
    command = [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-l", "--json"]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=bare)
    usual = [session for session in json.loads(done.stdout) if session["name"] == "tests"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert {session["python"] for session in usual} == {here}
    names = {session["session"].partition("(")[2].partition(",")[0] for session in usual}
    assert names == PACKAGES


@pytest.mark.parametrize(("in_ci", "code"), [("", 0), ("true", 1)])
def test_what_cannot_be_installed_is_left_out_and_said(tmp_path: Path, in_ci: str, code: int) -> None:
    """Slurm needs root, and Debian; CI fails without it."""
    command = [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "slurm"]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path), "CI": in_ci}
    done = subprocess.run([*command, "--no-venv"], check=False, capture_output=True, text=True, env=bare)
    assert done.returncode == code
    said = [line for line in done.stderr.splitlines() if "no batch jobs on Slurm" in line]
    assert len(said) == 1
