"""Many jobs, and a controller that is down."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import ServiceUnavailableError
from slurm_jobs import counted, lines

from flyte_connectors_batch_job.backends.slurm.cluster import current

if TYPE_CHECKING:
    from slurm_jobs import SlurmJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SMALL = {"memory": "20Mi"}


def test_200_jobs_finish_with_their_outputs(jobs: SlurmJobs) -> None:
    """Created by 16 threads, as a service does, and polled by them."""

    def run(number: int) -> Any:
        script = f'echo "{{\\"n\\": {number}}}" > "$BATCH_JOB_OUTPUTS"'
        meta = jobs.start(script, key=f"many-{number}", outputs={"n": "INTEGER"}, **SMALL)
        while (resource := jobs.connector.get(meta)).phase not in TERMINAL_PHASES:
            time.sleep(0.5)
        return resource.outputs

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(run, range(200))) == [{"n": number} for number in range(200)]


def test_an_array_of_200_finishes_with_its_outputs(jobs: SlurmJobs) -> None:
    """In the order of the indexes."""
    script = 'echo "{\\"n\\": $BATCH_JOB_INDEX}" > "$BATCH_JOB_OUTPUTS"'
    meta = jobs.start(script, key="array", array=200, outputs={"n": "INTEGER"}, **SMALL)
    while (resource := jobs.connector.get(meta)).phase not in TERMINAL_PHASES:
        time.sleep(0.5)
    assert resource.outputs == {"n": list(range(200))}
    assert resource.custom_info == {"indexes": {"SUCCEEDED": "0-199"}}


def test_ten_thousand_gets_are_one_question_per_interval(
    jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of any number of threads."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_POLL_SECONDS", "30")
    metas = [jobs.start("sleep 60", key=f"polled-{number}", **SMALL) for number in range(20)]
    current().view.fresh()
    asked = counted(monkeypatch, tmp_path, "squeue")
    started = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(jobs.connector.get, metas * 500))
    assert time.monotonic() - started < 30
    assert lines(asked) == 0
    for meta in metas:
        jobs.connector.delete(meta)


def test_a_controller_that_hangs_costs_no_task_anything(jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread waits for it; the others get its error at once, and all goes on afterwards."""
    monkeypatch.setattr("flyte_connectors_batch_job.backends.slurm.commands.QUESTION_SECONDS", 2.0)
    meta = jobs.start("sleep 3; echo done", key="hangs", outputs={"last": "STRING"}, **SMALL)
    wait_for(lambda: jobs.connector.get(meta).phase == Phase.RUNNING)
    jobs.cluster.pause_controller()
    try:
        error = wait_for(lambda: _error_of(jobs, meta))
        assert "gave no answer within 2 s" in str(error)
        with ThreadPoolExecutor(16) as threads:
            begun = time.monotonic()
            errors = list(threads.map(lambda _: _error_of(jobs, meta), range(64)))
            assert time.monotonic() - begun < 6
        assert all(isinstance(error, ServiceUnavailableError) for error in errors)
        time.sleep(3)
    finally:
        jobs.cluster.resume_controller()
    wait_for(lambda: _error_of(jobs, meta) is None)
    assert jobs.end(meta).outputs == {"last": "done"}


def _error_of(jobs: SlurmJobs, meta: Any) -> Exception | None:
    try:
        jobs.connector.get(meta)
    except ServiceUnavailableError as error:
        return error
    return None
