"""`flyte-connectors run` on a file with tasks of the official SDK: it says whose they are."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

FILE = """
import flyte
from flyte_connectors import TaskEnvironment

theirs = flyte.TaskEnvironment("theirs")
ours = TaskEnvironment("ours")


@theirs.task
def hello(n: int = 3) -> int:
    return n


@ours.task
def mine(n: int = 3) -> int:
    "One of ours."
    return n
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with a task of each."""
    path = tmp_path / "both.py"
    path.write_text(FILE)
    return str(path)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    command = [sys.executable, "-m", "flyte_connectors", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", ["hello", "theirs.hello"])
def test_a_task_of_theirs_is_named_as_such(file: str, name: str) -> None:
    """With the command that runs it."""
    ended = run(file, name)
    assert (ended.returncode, ended.stdout) == (1, "")
    whose = f"a task of flyte {version('flyte')}, not of flyte-connectors"
    advice = f"run it with `flyte run {file} hello`"
    assert ended.stderr == f"flyte-connectors: {name}: {whose}: {advice}\n"


def test_a_list_of_tasks_tells_them_apart(file: str) -> None:
    """Ours with their summaries, theirs with the command."""
    ended = run(file, "--help")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        f"tasks of {file}:",
        "  mine                  One of ours.",
        f"tasks of flyte {version('flyte')}, which `flyte run {file} TASK` runs:",
        "  hello",
    ]


def test_a_task_of_ours_beside_theirs_runs(file: str) -> None:
    """The other SDK changes nothing about it."""
    assert run(file, "mine", "--quiet").stdout == "o0 = 3\n"
