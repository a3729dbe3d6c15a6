"""Help, nonsense, closed pipes, and a world without plugins."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import SECONDS, TASKS, Command, one_line
from tests.connectors.job_service import JobService
from tests.connectors.serve_process import COMMAND, ROOT

COMMANDS = ["serve", "list", "run", "logs", "cancel"]


def test_help_names_every_command(command: Command) -> None:
    """With a word on each."""
    ended = command("--help")
    assert ended.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^ +{name} +\w", ended.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    """On stdout, with exit code 0."""
    ended = command(name, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: flyte-connectors {name}")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("run",),
        ("run", TASKS),
        ("logs",),
        ("serve", "--port", "x"),
        ("list", "x"),
    ],
)
def test_nonsense_is_wrong_usage(command: Command, arguments: tuple[str, ...]) -> None:
    """Exit code 2, usage and reason on stderr, nothing on stdout."""
    ended = command(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: flyte-connectors")
    assert "error: " in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_the_version_is_told(command: Command) -> None:
    """In one line."""
    assert re.fullmatch(r"flyte-connectors \d+\.\d+\S*\n", command("--version").stdout)


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("--help",)])
def test_a_closed_pipe_is_no_error(command: Command, arguments: tuple[str, ...]) -> None:
    """As in `flyte-connectors list | head -0`."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(SECONDS) == 0


def test_without_plugins_the_way_out_is_told(
    command: Command, jobs: JobService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `list`, and by `run` for a task whose connector is missing."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    assert "not on the allow-list" in command("list").stdout
    file = tmp_path / "alone.py"
    file.write_text(
        "from flyte_connectors_batch_job import BatchJobTask\nalone = BatchJobTask('alone')\n"
    )
    ended = command("run", "--quiet", str(file), "alone")
    assert "no connector for task type 'batch_job' version 0; known: none" in one_line(ended)
