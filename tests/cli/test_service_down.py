"""A service that stops, or restarts without its plugins, while a run depends on it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command, Running
from tests.fakes.job_service import JobService, wait_until
from tests.fakes.serve_process import FAKE, ServeProcess, serving


@pytest.fixture
def port() -> int:
    """One that a service can have again after its restart."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@pytest.fixture
def service(command: Command, port: int, tmp_path: Path) -> Iterator[ServeProcess]:
    """A service with the fake connectors, on that port."""
    with serving("--module", FAKE, "--port", str(port), log=tmp_path / "log") as service:
        yield service


@pytest.fixture
def running(command: Command, service: ServeProcess, jobs: JobService) -> Running:
    """A run on it that goes on for ever."""
    running = command.start("run", "--endpoint", service.address, TASKS, "endless")
    wait_until(lambda: jobs.calls("get"), "the first poll")
    return running


def run_name(running: Running) -> str:
    """The name that the run has printed."""
    return running.errors[0].split()[1]


def test_an_interrupt_says_at_once_that_the_job_runs_on(
    command: Command, running: Running, service: ServeProcess, jobs: JobService
) -> None:
    """And how to cancel it later, which then works."""
    service.process.kill()
    service.process.wait()
    pressed = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    wait_until(lambda: "is NOT cancelled" in running.said, "the truth")
    assert time.monotonic() - pressed < 4
    later = f"To cancel it later: flyte-connectors cancel {run_name(running)}"
    assert later in running.said
    assert running.wait() == 130
    assert time.monotonic() - pressed < 20
    assert later in running.errors[-2]
    assert running.errors[-1].startswith("ended, NOT cancelled, after")
    assert jobs.job(jobs.jobs[0])["phase"] == "RUNNING"
    with serving("--module", FAKE, "--port", str(service.port), log=service.log):
        assert command("cancel", run_name(running)).returncode == 0
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


def test_a_second_interrupt_leaves_with_the_same_text(running: Running, service: ServeProcess) -> None:
    """At once, also while the service does not answer at all."""
    service.signal(signal.SIGSTOP)
    try:
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: "press Ctrl-C again" in running.said, "the first interrupt")
        pressed = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 130
        assert time.monotonic() - pressed < 3
    finally:
        service.signal(signal.SIGCONT)
    assert "NOT cancelled" in running.errors[-1]
    assert f"flyte-connectors cancel {run_name(running)}" in running.errors[-1]


def test_a_missing_plugin_is_waited_for(running: Running, service: ServeProcess, jobs: JobService) -> None:
    """It is not a lost job: none is started again, and none is left behind."""
    assert service.stop() == 0
    address = ("--port", str(service.port))
    with serving(*address, log=service.log) as other:
        wait_until(lambda: "task type 'fake_job'" in running.said, "the missing connector")
        assert other.stop() == 0
    polls = len(jobs.calls("get"))
    with serving("--module", FAKE, *address, log=service.log):
        wait_until(lambda: len(jobs.calls("get")) > polls, "the next poll")
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 130
    assert len(jobs.jobs) == 1
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


def test_giving_up_is_a_setting(running: Running, command: Command, service: ServeProcess) -> None:
    """A flag, and a variable that is checked."""
    hasty = command.start("run", "--endpoint", service.address, "--give-up-after", "0.5", TASKS, "endless")
    wait_until(lambda: "started" in hasty.said, "the job")
    service.process.kill()
    service.process.wait()
    began = time.monotonic()
    wait_until(lambda: "is NOT cancelled" in hasty.said, "the end of the polling")
    assert time.monotonic() - began < 10
    assert running.process.poll() is None
    hasty.process.kill()
    wrong = subprocess.run(
        [*hasty.process.args[:3], "run", "--give-up-after", "soon", TASKS, "endless"],  # type: ignore[index]
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )
    assert "--give-up-after" in wrong.stderr
