"""`logs` and `cancel`: a run is found by its name, whichever terminal started it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import SECONDS, TASKS, Command, Running, one_line
from tests.fakes.job_service import JobService, wait_until
from tests.fakes.serve_process import COMMAND, FAKE, ROOT, ServeProcess, serving

NESTED = "tests.fakes.nested_tasks"


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


def test_the_address_of_a_page_names_a_job(
    command: Command,
    jobs: JobService,
    service: ServeProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever started it: its task type and sealed meta are enough, or the whole URL."""
    running, name = started(command, jobs, "--endpoint", service.address)
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("state/runs/*/a0.json"))
    sealed = record["resource_meta"].translate(str.maketrans("+/", "-_")).rstrip("=")
    address = f"{record['task_type']}/{sealed}"
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "of-somebody-else"))
    assert command("logs", name).returncode == 1
    following = command.start("logs", "--follow", address, "--endpoint", service.address)
    wait_until(lambda: following.output, "the first line")
    url = f"https://connectors.example.com/console/jobs/{address}?version=0"
    shown = command("logs", url, "--endpoint", service.address)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "begun\n", "")
    jobs.update(jobs.jobs[0], log=["begun", "done"], phase="SUCCEEDED")
    assert following.wait() == 0
    assert following.output == ["begun\n", "done\n"]
    assert running.wait() == 0
    for damaged in (f"{address}A", f"{address}?version=x"):
        refused = command("logs", damaged, "--endpoint", service.address)
        assert one_line(refused)


def test_follow_shows_lines_as_they_come_and_ends_with_the_job(command: Command, jobs: JobService) -> None:
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


def test_follow_outlives_the_death_of_the_service(command: Command, jobs: JobService, tmp_path: Path) -> None:
    """It says that it waits, goes on where it was, and ends with the job."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        running, name = started(command, jobs, "--endpoint", service.address)
        following = command.start("logs", "--follow", name)
        wait_until(lambda: following.output, "the first line")
        service.process.kill()
        service.process.wait()
    (key,) = jobs.jobs
    jobs.update(key, log=["begun", "while nobody was there"])
    wait_until(lambda: "trying again: connector service at" in following.said, "the first fault")
    with serving("--module", FAKE, "--port", str(service.port), log=tmp_path / "log"):
        wait_until(lambda: len(following.output) == 2, "the second line")
        jobs.update(key, log=["begun", "while nobody was there", "the last"], phase="SUCCEEDED")
        assert following.wait() == 0
        assert running.wait() == 0
    assert following.output == ["begun\n", "while nobody was there\n", "the last\n"]


@pytest.mark.parametrize("verb", ["get", "get_logs"])
def test_follow_outlives_passing_faults_of_the_vendor(command: Command, jobs: JobService, verb: str) -> None:
    """Of either call, foreseen or not."""
    running, name = started(command, jobs)
    running.process.kill()
    running.wait()
    (key,) = jobs.jobs
    for error in ("ServiceUnavailableError", "RateLimitedError", "ValueError"):
        times = len(jobs.calls(verb)) + 2
        jobs.update(key, fail={verb: {"error": error, "text": "passing", "times": times}})
        following = command.start("logs", "--follow", name)
        wait_until(lambda: following.output, "the first line")  # noqa: B023
        if error == "ValueError":
            jobs.update(key, phase="SUCCEEDED")
            assert following.wait() == 0
        else:
            following.process.kill()
            following.wait()
        assert following.output == ["begun\n"]


def test_follow_ends_when_the_job_cannot_be_asked_about(command: Command, jobs: JobService) -> None:
    """With the reason: it would wait for ever."""
    running, name = started(command, jobs)
    running.process.kill()
    running.wait()
    jobs.update(jobs.jobs[0], fail={"get": {"error": "PermissionDeniedError", "text": "no", "times": 99}})
    following = command.start("logs", "--follow", name)
    assert following.wait() == 1
    assert following.errors == ["flyte-connectors: no\n"]


def test_ctrl_c_ends_it_at_once(command: Command, jobs: JobService) -> None:
    """Also while a connector's thread is busy, with nothing but a word on it."""
    _, name = started(command, jobs)
    following = command.start("logs", "--follow", name)
    wait_until(lambda: following.output, "the first line")
    began = time.monotonic()
    following.process.send_signal(signal.SIGINT)
    assert following.wait() == 130
    assert time.monotonic() - began < 2
    assert following.errors == ["flyte-connectors: interrupted\n"]


def test_follow_goes_on_with_the_next_job_of_the_run(command: Command, jobs: JobService) -> None:
    """A task made of a function starts one after the other."""
    running = command.start("run", NESTED, "two_logs")
    wait_until(lambda: len(jobs.calls("get")) > 1 and "RUNNING" in running.said, "the first job")
    following = command.start("logs", "--follow", running.errors[0].split()[1])
    wait_until(lambda: following.output, "the first line")
    jobs.update(jobs.jobs[0], phase="SUCCEEDED")
    wait_until(lambda: len(following.output) == 2, "the second job's line")
    jobs.update(jobs.jobs[1], phase="SUCCEEDED")
    assert (running.wait(), following.wait()) == (0, 0)
    assert following.output == ["of the first\n", "of the second\n"]


def test_a_job_that_cannot_be_cancelled_keeps_no_other_from_it(command: Command, jobs: JobService) -> None:
    """Exit code 1, and what was not cancelled."""
    running = command.start("run", NESTED, "hanging_threads", "--n", "2")
    wait_until(lambda: running.said.count("started") == 2, "both jobs")
    running.process.kill()
    running.wait()
    name = running.errors[0].split()[1]
    first, second = jobs.jobs
    jobs.update(first, fail={"delete": {"error": "PermissionDeniedError", "text": "no", "times": 9}})
    ended = command("cancel", name)
    assert ended.returncode == 1
    assert re.search(r"job a\d of 'hanging' was NOT cancelled: no$", ended.stderr, re.MULTILINE)
    assert jobs.job(second)["phase"] == "ABORTED"


@pytest.mark.parametrize("flags", [(), ("--follow",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_log_that_is_read_no_further_ends(
    command: Command,
    jobs: JobService,
    flags: tuple[str, ...],
    unbuffered: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in `logs RUN | head -1`, also while the job goes on."""
    running, name = started(command, jobs)
    running.process.kill()
    running.wait()
    jobs.update(jobs.jobs[0], log=[f"line {number}" for number in range(10_000)])
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    process = subprocess.Popen(
        [*COMMAND, "logs", *flags, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stderr:
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.wait(SECONDS) == 141


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


@pytest.mark.parametrize(("verb", "name"), [("logs", "nothing"), ("cancel", "../../etc"), ("logs", "")])
def test_an_unknown_run_is_one_line(command: Command, verb: str, name: str) -> None:
    """It says where it looked."""
    line = one_line(command(verb, name))
    assert f"no run named '{name}' in " in line
