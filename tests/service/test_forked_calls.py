"""Tasks that are called in a forked child, as by multiprocessing and by servers that fork their workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import FAKE, ROOT, serving

SECONDS = 60


def run(*command: str) -> str:
    """What a program with a child says, once both have ended by themselves."""
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("task_type", ["fake_job", "fake_plain"])
def test_a_forked_child_runs_tasks(jobs: JobService, task_type: str) -> None:
    """Of coroutines and of plain functions, whose threads the child does not have."""
    assert run("tests.fakes.forked_calls", task_type) == "got 2\n"


def test_a_forked_child_is_told_how_to_use_a_service(jobs: JobService, tmp_path: Path) -> None:
    """It would hang in gRPC, after the parent has used that: an error says what to do instead."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        first, second = run("tests.fakes.forked_client", service.address).splitlines()
    assert "no connector for task type 'nothing'" in first
    assert "gRPC does not work in a process that was forked after it was used" in second
    assert "'spawn' or 'forkserver'" in second
