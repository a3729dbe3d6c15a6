"""What a job has used, while it runs and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import Jobs, wait_for
from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyte_connectors_batch_job import BatchJobMetadata

MEBIBYTE = 1024 * 1024
BURN = "import sys, time; b = bytearray(40 * 1024 * 1024)\nwhile time.process_time() < %s: pass"


def usage(jobs: Jobs, meta: BatchJobMetadata, queries: tuple[str, ...] = ()) -> dict[str, float]:
    """The last sample of each metric."""
    response = jobs.connector.get_metrics(meta, queries=queries)
    return {result.metric: last_sample(result.data) for result in response.results}


def last_sample(data: Any) -> float:
    """The value of a Prometheus range query's result with one series."""
    assert data["resultType"] == "matrix"
    (series,) = data["result"]
    return float(series["values"][-1][1])


def test_a_finished_job_tells_what_it_used(jobs: Jobs) -> None:
    """CPU of all its processes, wall time, and the peak memory of the largest."""
    meta = jobs.start(command=["python3", "-c", BURN % 0.3])
    jobs.end(meta)
    used = usage(jobs, meta)
    assert 0.3 <= used["cpu_seconds"] <= used["wall_seconds"] + 0.2
    assert 40 * MEBIBYTE < used["peak_memory_bytes"] < 100 * MEBIBYTE


def test_a_running_job_tells_what_it_has_used_so_far(jobs: Jobs) -> None:
    """Descendants count, too."""
    # The kernel's ticks and the job's own clock differ by some hundredths: it burns more than is asked.
    meta = jobs.start(f"python3 -c '{BURN % 0.8}\ntime.sleep(60)' & wait")
    used = wait_for(lambda: (now := usage(jobs, meta)) and now["cpu_seconds"] >= 0.5 and now)
    assert used["peak_memory_bytes"] > 40 * MEBIBYTE
    assert used["wall_seconds"] >= 1


def test_metrics_can_be_chosen(jobs: Jobs) -> None:
    """`queries` names the metrics that are wanted; an unknown one is refused."""
    meta = jobs.start("true")
    jobs.end(meta)
    assert list(usage(jobs, meta, ("wall_seconds",))) == ["wall_seconds"]
    with pytest.raises(InvalidRequestError, match="unknown metric 'gpu'; the job has cpu_sec"):
        usage(jobs, meta, ("gpu",))
