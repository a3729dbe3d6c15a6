"""`runs`: what was run here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command
from tests.fakes.job_service import JobService, wait_until


def test_runs_are_listed_newest_first(command: Command) -> None:
    """With the name of each, its task, how it ended and when it began."""
    for task in ("echo --some-text x", "broken", "quick --n 2"):
        command("run", "--quiet", TASKS, *task.split())
    ended = command("runs")
    assert (ended.returncode, ended.stderr) == (0, "")
    header, *rows = ended.stdout.splitlines()
    assert header.split() == ["RUN", "TASK", "PHASE", "AGE"]
    shown = [row.split()[1:3] for row in rows]
    assert shown == [["quick", "SUCCEEDED"], ["broken", "FAILED"], ["echo", "SUCCEEDED"]]
    assert all(re.fullmatch(r"r\w+ .* \d+[sm]", row) for row in rows)


def test_runs_can_be_picked(command: Command) -> None:
    """By task, phase and number; the fields are there for programs, too."""
    for task in ("echo --some-text x", "broken", "broken"):
        command("run", "--quiet", TASKS, *task.split())

    def picked(*options: str) -> list[str]:
        return [run["task"] for run in json.loads(command("runs", "--json", *options).stdout)]

    assert picked("--task", "broken") == ["broken", "broken"]
    assert picked("--phase", "succeeded") == ["echo"]
    assert picked("--limit", "1") == ["broken"]
    (run, *_) = json.loads(command("runs", "--json").stdout)
    assert (run["phase"], run["module"], run["endpoint"]) == ("FAILED", TASKS, "")
    assert run["jobs"] == [{"action": "a0", "task": "broken", "task_type": "fake_job"}]


def test_a_run_that_lasts_is_running_until_its_end(command: Command, jobs: JobService) -> None:
    """When its process is killed, its job is asked; `cancel` is seen."""
    running = command.start("run", TASKS, "endless")
    wait_until(lambda: jobs.calls("get"), "the first poll")

    def phase() -> str:
        (run,) = json.loads(command("runs", "--json").stdout)
        return f"{run['run']} {run['phase']}"

    name, _, current = phase().partition(" ")
    assert current == "RUNNING"
    running.process.kill()
    running.wait()
    assert phase() == f"{name} RUNNING"
    assert command("cancel", name).returncode == 0
    assert phase() == f"{name} ABORTED"


def test_a_job_that_cannot_be_asked_about_is_unknown(
    command: Command, jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason on standard error; the others are listed all the same."""
    running = command.start("run", TASKS, "endless")
    wait_until(lambda: jobs.calls("get"), "the first poll")
    running.process.kill()
    running.wait()
    command("run", "--quiet", TASKS, "quick", "--n", "1")
    for record in Path(str(jobs.folder.parent), "state").rglob("a0.json"):
        record.write_text(record.read_text().replace('"endpoint": ""', '"endpoint": "127.0.0.1:1"'))
    ended = command("runs")
    assert ended.returncode == 0
    assert [row.split()[1:3] for row in ended.stdout.splitlines()[1:]] == [
        ["quick", "SUCCEEDED"],
        ["endless", "UNKNOWN"],
    ]
    assert re.match(r"run r\w+: connector service at 127.0.0.1:1", ended.stderr)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_runs_nothing_is_printed(command: Command, options: tuple[str, ...]) -> None:
    """But where they would be."""
    ended = command("runs", *options)
    assert ended.returncode == 0
    assert ended.stdout == ("[]\n" if options else "")
    assert options or re.match("no runs in /", ended.stderr)
