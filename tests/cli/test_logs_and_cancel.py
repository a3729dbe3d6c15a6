"""`logs` and `cancel`: a run is found again by its name, whoever started it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command, Running, one_line
from tests.connectors.job_service import JobService, wait_until
from tests.connectors.serve_process import ServeProcess


def started(command: Command, jobs: JobService, *where: str) -> tuple[Running, str]:
    """A run that goes on, and its name."""
    running = command.start("run", *where, TASKS, "endless")
    wait_until(lambda: jobs.calls("get") and "RUNNING" in running.said, "the first poll")
    match = re.match(r"run (\w+) of 'endless'", running.said)
    assert match, running.said
    return running, match[1]


@pytest.mark.parametrize("place", ["local", "remote"])
def test_a_run_whose_command_was_killed_is_found_again(
    command: Command, jobs: JobService, place: str, request: pytest.FixtureRequest
) -> None:
    """After kill -9 of `run`, another process reads the log and cancels the job."""
    service: ServeProcess | None = None
    if place == "remote":
        service = request.getfixturevalue("service")
    running, name = started(command, jobs, *(("--endpoint", service.address) if service else ()))
    running.process.kill()
    running.wait()
    shown = command("logs", name)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "begun\n", "")
    for _ in range(2):
        cancelled = command("cancel", name)
        assert (cancelled.returncode, cancelled.stdout) == (0, "")
        assert "job a0 of 'endless'" in cancelled.stderr
        assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


def test_follow_shows_lines_as_they_come_and_ends_with_the_job(
    command: Command, jobs: JobService
) -> None:
    """Beside the run itself, which learns that its job was cancelled."""
    running, name = started(command, jobs)
    following = command.start("logs", "--follow", name)
    wait_until(lambda: following.output, "the first line")
    key = jobs.jobs[0]
    jobs.update(key, log=["begun", "going on"])
    wait_until(lambda: len(following.output) == 2, "the second line")
    assert command("cancel", name).returncode == 0
    assert following.wait() == 0
    assert following.output == ["begun\n", "going on\n"]
    assert running.wait() == 1
    assert "aborted" in running.errors[-1]


def test_timestamps_are_shown_on_demand(command: Command, tmp_path: Path) -> None:
    """As RFC 3339, before each line."""
    file = tmp_path / "hello.py"
    file.write_text(
        "from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask\n"
        "hello = BatchJobTask('hello', BatchJobConfig(script='echo hi'))\n"
    )
    ended = command("run", str(file), "hello")
    name = ended.stderr.split()[1]
    shown = command("logs", "--timestamps", name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z hi\n", shown.stdout)


@pytest.mark.parametrize(
    ("verb", "name"), [("logs", "nothing"), ("cancel", "../../etc"), ("logs", "")]
)
def test_an_unknown_run_is_one_line(command: Command, verb: str, name: str) -> None:
    """It says where it looked."""
    line = one_line(command(verb, name))
    assert f"no run named '{name}' in " in line
