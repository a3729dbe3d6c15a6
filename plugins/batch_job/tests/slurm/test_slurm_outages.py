"""What a controller, or slurmrestd, that is away costs: run by itself, because it measures time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from batch_jobs import show
from flyte_connectors.connector import TERMINAL_PHASES
from outages import outage
from slurm_jobs import counted, lines

if TYPE_CHECKING:
    from pathlib import Path

    from slurm_jobs import SlurmJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("way", ["commands", "slurmrestd"])
async def test_an_engine_that_is_away_for_a_minute_costs_no_task_anything(
    jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """Polls are answered RUNNING, other connectors do not feel it, few processes are started, and all goes on."""
    monkeypatch.delenv("FLYTE_BATCH_JOB_SLURM_POLL_SECONDS")
    cluster = jobs.cluster
    begin, end = cluster.kill_controller, cluster.start_controller
    if way == "slurmrestd":
        begin, end = cluster.kill_rest, cluster.start_rest
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", f"unix:{cluster.root}/rest/sock")
    asked = counted(monkeypatch, tmp_path, "squeue")
    before = []

    def begin_counting() -> None:
        begin()
        before.append(lines(asked))

    found = await outage(begin_counting, end, memory="20Mi")
    asked_for = lines(asked) - before[0]
    show(f"{way} away: {found}; squeue was run {asked_for} times")
    assert asked_for < 40  # one every 2 s, and those after it
    assert not found.phases & TERMINAL_PHASES
    assert not found.retried
    assert not found.is_felt
