"""A job that uses more memory than it asked for fails, with the limit named."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.connector import Phase

if TYPE_CHECKING:
    from batch_jobs import Jobs

PYTHON = shlex.quote(sys.executable)
MESSAGE = "exceeded its memory limit of 50 MiB"


def allocating(mebibytes: int, then: str = "time.sleep(30)") -> str:
    """A program that uses so much memory."""
    return f"{PYTHON} -Sc 'import time; x = b\"x\" * ({mebibytes} << 20); {then}'"


@pytest.mark.parametrize("then", ["time.sleep(30)", "0"])
def test_a_job_over_its_limit_fails(jobs: Jobs, then: str) -> None:
    """At once, or when it ends before anybody could look."""
    started = time.monotonic()
    resource = jobs.run(allocating(300, then), memory="50Mi")
    assert (resource.phase, resource.message) == (Phase.FAILED, MESSAGE)
    assert time.monotonic() - started < 20


def test_all_processes_of_a_job_count(jobs: Jobs) -> None:
    """No single one of them is over the limit."""
    script = f"for i in 1 2 3; do {allocating(30)} & done; wait"
    resource = jobs.run(script, memory="50Mi")
    assert (resource.phase, resource.message) == (Phase.FAILED, MESSAGE)


def test_shared_memory_counts_once(jobs: Jobs) -> None:
    """Forked workers look larger than they are."""
    workers = "import os; [os.fork() or (time.sleep(1), os._exit(0)) for _ in (1, 2)]; time.sleep(1)"
    resource = jobs.run(allocating(40, workers), memory="80Mi")
    assert (resource.phase, resource.message) == (Phase.SUCCEEDED, None)


def test_a_job_within_its_limit_is_left_alone(jobs: Jobs) -> None:
    """Up to what it asked for."""
    assert jobs.run(allocating(60, "time.sleep(0.5)"), memory="128Mi").phase == Phase.SUCCEEDED


def test_an_allocation_far_over_the_limit_is_refused_by_the_system(jobs: Jobs) -> None:
    """Before it takes the machine's memory from others."""
    resource = jobs.run(allocating(3000), memory="50Mi")
    assert resource.phase == Phase.FAILED
    assert "MemoryError" in (resource.message or "") or resource.message == MESSAGE


def test_a_job_that_asks_for_nothing_has_no_limit(jobs: Jobs) -> None:
    """As before."""
    assert jobs.run(allocating(300, "0")).phase == Phase.SUCCEEDED
