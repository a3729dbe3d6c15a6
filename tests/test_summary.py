"""What nox says when all sessions have ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NOXFILE = """
import nox
from sessions import summary

summary.print_at_the_end(missing=["3.10"])

@nox.session(venv_backend="none")
def tests(session):
    summary.run_tests(session, "test_it.py")

@nox.session(venv_backend="none")
def others(session):
    summary.run_tests(session, "test_it.py", "-k", "adds or needs")

@nox.session(venv_backend="none")
def slurm(session):
    session.skip("Slurm is not installed")

@nox.session(venv_backend="none")
def broken(session):
    session.error("no such tool")
"""
TESTS = """
import pytest

def test_it_adds():
    assert 1 + 1 == 2

@pytest.mark.parametrize("user", ["a", "b"])
def test_it_needs_root(user):
    pytest.skip("needs root")

def test_it_fails():
    assert not "this"

@pytest.mark.xfail
def test_it_is_known_to_fail():
    assert not "that"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with sessions of each kind."""
    (tmp_path / "sessions").mkdir()
    shutil.copy(ROOT / "sessions" / "summary.py", tmp_path / "sessions")
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def nox(folder: Path, *sessions: str) -> tuple[int, list[str]]:
    """Its exit code, and the last lines that it prints."""
    command = [sys.executable, "-m", "nox", "-s", *sessions]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=env)
    return ended.returncode, ended.stderr.strip().rpartition("\n\n")[2].splitlines()


def test_the_end_says_what_passed_failed_and_was_left_out(folder: Path) -> None:
    """With every reason, once; nothing of it is left in the next run."""
    code, lines = nox(folder, "tests", "others", "slurm", "broken")
    assert code == 1
    assert lines[0].startswith("Sessions: 1 passed, 2 failed, 1 left out, in ")
    assert lines[1:] == [
        "Tests: 3 passed, 1 failed, 4 left out.",
        "Failed:",
        "  tests",
        "  broken",
        "  test_it.test_it_fails",
        "Left out:",
        "  slurm: Slurm is not installed",
        "  Python 3.10: it is not installed",
        "  4 tests: needs root",
        "Sessions that take longer run by name: `nox -l` lists them.",
    ]
    code, lines = nox(folder, "others", "slurm")
    assert code == 0
    assert lines[0].startswith("Sessions: 1 passed, none failed, 1 left out, in ")
    assert lines[1] == "Tests: 1 passed, none failed, 2 left out."


def test_one_session_needs_no_summary(folder: Path) -> None:
    """It has just said all that there is to say."""
    _, lines = nox(folder, "slurm")
    assert not [line for line in lines if line.startswith("Sessions:")]
