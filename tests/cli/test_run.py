"""`run`: a task, here or on a service, with its data on stdout and everything else on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command, one_line
from tests.connectors.job_service import JobService
from tests.connectors.serve_process import ServeProcess

BATCH = """
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

greet = BatchJobTask(
    name="greet",
    plugin_config=BatchJobConfig(script='echo one; echo two >&2; echo "hello $BATCH_JOB_INPUT_WHO"'),
    inputs={"who": str},
    outputs={"result": str},
)
"""


@pytest.fixture(params=["local", "remote"])
def where(request: pytest.FixtureRequest) -> list[str]:
    """Options that decide where the connectors are."""
    if request.param == "local":
        return []
    service: ServeProcess = request.getfixturevalue("service")
    return ["--endpoint", service.address]


def test_outputs_are_data_and_progress_is_not(command: Command, where: list[str]) -> None:
    """The same on both ways: outputs by name, the log's lines once, phases, run name."""
    ended = command("run", *where, TASKS, "echo", "--some-text", "a b", "--count", "7")
    assert (ended.returncode, ended.stdout) == (0, "count = 7\nsome_text = a b\n")
    said = ended.stderr.splitlines()
    assert said[0].startswith("run r")
    assert said.count("first line") == said.count("second line") == 1
    assert "SUCCEEDED all is well" in said
    assert said[-1].startswith("succeeded after ")
    assert "\x1b" not in ended.stderr


def test_json_is_for_programs(command: Command) -> None:
    """Only the outputs, with a default filled in; `--quiet` silences the rest."""
    ended = command("run", "--json", "--quiet", TASKS, "echo", "--some_text=x")
    assert json.loads(ended.stdout) == {"count": 3, "some_text": "x"}
    assert ended.stderr == ""


def test_options_may_also_come_last(command: Command) -> None:
    """As people type them."""
    ended = command("run", TASKS, "quick", "--n", "2", "--json", "--quiet")
    assert json.loads(ended.stdout) == {"n": 2}


def test_a_failed_task_ends_with_its_reason(command: Command, where: list[str]) -> None:
    """Exit code 1, and the last line is the job's own word."""
    ended = command("run", *where, TASKS, "broken")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("flyte-connectors: task 'broken' failed: division by zero\n")
    assert "Traceback" not in ended.stderr


def test_retries_are_the_tasks_own(command: Command, jobs: JobService) -> None:
    """A new job for each attempt, and the reason of the last one."""
    ended = command("run", TASKS, "flaky")
    assert ended.returncode == 1
    assert "machine lost" in ended.stderr.splitlines()[-1]
    assert len(jobs.jobs) == 3


def test_a_timeout_cancels_the_job(command: Command, jobs: JobService) -> None:
    """And is told in the last line."""
    ended = command("run", TASKS, "hasty")
    assert ended.returncode == 1
    assert ended.stderr.endswith("timed out after 0.3 s; its job was cancelled\n")
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((TASKS, "echo"), "inputs.some_text: missing: task 'echo' requires it"),
        (
            (TASKS, "echo", "--some-text", "x", "--count", "y"),
            "inputs.count: expected int, got 'y'",
        ),
        ((TASKS, "nope"), "nope: no such task; tests.connectors.tasks has"),
        (("no/such/file.py", "echo"), "does not exist"),
        (("no_such_module", "echo"), "No module named 'no_such_module'"),
    ],
)
def test_what_is_wrong_with_the_request_is_one_line(
    command: Command, jobs: JobService, arguments: tuple[str, ...], reason: str
) -> None:
    """With the field or the name, and no job."""
    assert reason in one_line(command("run", *arguments))
    assert jobs.jobs == []


def test_an_unknown_task_type_says_what_is_known(command: Command, where: list[str]) -> None:
    """The last line is the service's word."""
    ended = command("run", *where, TASKS, "homeless")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "no connector for task type 'nothing' version 0" in last
    assert "'fake_job'" in last


def test_unknown_options_are_wrong_usage(command: Command, jobs: JobService) -> None:
    """Exit code 2, with the inputs that there are."""
    ended = command("run", TASKS, "echo", "--nope", "3")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--some_text" in ended.stderr
    assert "unrecognized arguments: --nope" in ended.stderr
    assert jobs.jobs == []


def test_a_tasks_help_shows_its_inputs(command: Command) -> None:
    """Their types, and which are required."""
    ended = command("run", TASKS, "echo", "--help")
    assert ended.returncode == 0
    for word in ("--some_text str", "required", "--count int", "default 3"):
        assert word in ended.stdout


def test_a_file_that_raises_is_named(command: Command, tmp_path: Path) -> None:
    """With the error, in one line."""
    file = tmp_path / "raises.py"
    file.write_text("1 / 0\n")
    line = one_line(command("run", str(file), "task"))
    assert line == f"{file}: ZeroDivisionError while importing it: division by zero"


def test_a_real_job_runs_from_a_file(command: Command, tmp_path: Path) -> None:
    """A batch job: its lines appear once each, its result is the last of them."""
    file = tmp_path / "greeting.py"
    file.write_text(BATCH)
    ended = command("run", str(file), "greet", "--who", "you")
    assert (ended.returncode, ended.stdout) == (0, "result = hello you\n")
    lines = [line[9:] for line in ended.stderr.splitlines() if line[2:3] == ":"]
    assert sorted(lines) == ["[stderr] two", "hello you", "one"]
