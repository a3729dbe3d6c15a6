"""Help, nonsense, closed pipes, and a world without plugins."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import SECONDS, Command
from tests.fakes.job_service import JobService
from tests.fakes.serve_process import COMMAND, ROOT

COMMANDS = ["serve", "list", "run", "runs", "logs", "cancel"]


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


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether Python writes output at once; what fails only at the end is hidden by that."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)
    return str(request.param)


PRINTING = [
    "list",
    "list --json",
    "--help",
    "--version",
    "run --help",
    "runs --json",
    "list --requirements",
]


def in_shell(script: str) -> tuple[int, str]:
    """Exit code and standard error of a shell script in which $COMMAND is the command."""
    ended = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "COMMAND": shlex.join(COMMAND)},
    )
    return ended.returncode, ended.stderr


@pytest.mark.usefixtures("command", "buffering")
@pytest.mark.parametrize("arguments", PRINTING)
def test_a_reader_that_has_gone_ends_the_command_quietly(arguments: str) -> None:
    """As `list | head -0` ends `yes`: nothing is said, the exit code is that of SIGPIPE."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*COMMAND, *arguments.split()],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.usefixtures("command", "buffering")
@pytest.mark.parametrize("arguments", PRINTING)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_output_that_cannot_be_written_is_one_line(arguments: str, redirection: str, reason: str) -> None:
    """With exit code 1: a script must not take a cut list for a whole one."""
    code, said = in_shell(f"$COMMAND {arguments} {redirection}")
    assert said == f"flyte-connectors: can't write to standard output: {reason}\n"
    assert code == 1


@pytest.mark.usefixtures("command", "buffering")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&- <&-", ">/dev/full 2>&1"])
def test_errors_that_cannot_be_said_are_in_the_exit_code(redirection: str) -> None:
    """Nothing is added to standard output in their place."""
    code, said = in_shell(f"$COMMAND logs nothing {redirection}")
    assert (code, said) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (("lst",), "unknown command 'lst'; did you mean 'list'?"),
        (("xyzzy",), "unknown command 'xyzzy'; available: serve, list, run"),
        (("list", "--jsno"), "unrecognized arguments: --jsno; did you mean '--json'?"),
        (("serve", "--prot", "1"), "unrecognized arguments: --prot 1; did you mean '--port'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(
    command: Command, arguments: tuple[str, ...], suggested: str
) -> None:
    """Or with all that there are."""
    ended = command(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert suggested in ended.stderr.splitlines()[-1]


def test_without_a_command_the_commands_are_listed(command: Command) -> None:
    """That is wrong usage, so on standard error."""
    ended = command()
    for name in COMMANDS:
        assert re.search(rf"^ +{name} +\w", ended.stderr, re.MULTILINE), name
    assert ended.stderr.splitlines()[-1] == "flyte-connectors: error: a COMMAND is required"


def test_without_plugins_the_way_out_is_told(
    command: Command, jobs: JobService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `list`, and by `run` for a task whose connector is missing."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    assert "not on the allow-list" in command("list").stdout
    file = tmp_path / "alone.py"
    file.write_text("from flyte_connectors_batch_job import BatchJobTask\nalone = BatchJobTask('alone')\n")
    ended = command("run", "--quiet", str(file), "alone")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "no connector for task type 'batch_job' version 0; known: none" in last
