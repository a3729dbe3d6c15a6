"""Ctrl-C: the job is cancelled before the command ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.command import TASKS, Command
from tests.fakes.job_service import JobService, wait_until
from tests.fakes.serve_process import ServeProcess

SLEEPER = """
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

sleeper = BatchJobTask(
    name="sleeper",
    plugin_config=BatchJobConfig(script='echo "pid $$"; exec sleep 60'),
    outputs={"result": str},
)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_job(command: Command, jobs: JobService, number: signal.Signals) -> None:
    """Exit code 130, no traceback, and it says what it does."""
    running = command.start("run", TASKS, "endless")
    wait_until(lambda: jobs.calls("get"), "the first poll")
    running.process.send_signal(number)
    assert running.wait() == 130
    assert running.output == []
    assert "cancelling the job; press Ctrl-C again to leave at once\n" in running.errors
    assert running.errors[-1].startswith("cancelled after")
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"
    assert "Traceback" not in running.said


def test_a_job_on_a_service_is_cancelled_too(command: Command, jobs: JobService, service: ServeProcess) -> None:
    """By a call of delete."""
    running = command.start("run", "--endpoint", service.address, TASKS, "endless")
    wait_until(lambda: jobs.calls("get"), "the first poll")
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 130
    assert jobs.job(jobs.jobs[0])["phase"] == "ABORTED"


def test_the_processes_of_a_real_job_are_gone(command: Command, tmp_path: Path) -> None:
    """Not only its record."""
    file = tmp_path / "sleeping.py"
    file.write_text(SLEEPER)
    running = command.start("run", str(file), "sleeper")
    wait_until(lambda: "pid " in running.said, "the job's first line")
    line = next(line for line in running.errors if "pid " in line)
    process = Path("/proc") / line.rpartition("pid ")[2].strip()
    assert process.exists()
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 130
    wait_until(lambda: not process.exists(), "the end of the job's process")
