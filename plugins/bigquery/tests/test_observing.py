"""What can be seen of a job: its log and its metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from bed.calls import Calls
from bed.proxy import Fault, rewrite
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery.jobs.log import read_token
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from bed.proxy import Front

STAGES = [
    {"name": "S00: Input", "id": "0", "startMs": 1000, "endMs": 1400, "status": "COMPLETE",
     "recordsRead": "150", "recordsWritten": "3", "parallelInputs": "3", "completedParallelInputs": "3"},
    {"name": "S01: Output", "id": "1", "startMs": 1500, "endMs": 3500, "status": "COMPLETE",
     "recordsRead": "3", "recordsWritten": "3", "parallelInputs": "1", "completedParallelInputs": "0"},
]  # fmt: skip
SAMPLES = [
    {"elapsedMs": "1000", "totalSlotMs": "800", "pendingUnits": "2", "completedUnits": "1",
     "activeUnits": "1"},
    {"elapsedMs": "2000", "totalSlotMs": "1700", "pendingUnits": "0", "completedUnits": "3",
     "activeUnits": "0"},
]  # fmt: skip


class _Progress:
    """Makes the server's job look as far as BigQuery's would be; the emulator has no plan."""

    def __init__(self) -> None:
        self.stages = self.samples = 0
        self.done = False

    def __call__(self, job: dict[str, Any]) -> None:
        statistics = job["statistics"]
        statistics |= {"creationTime": 0.0, "startTime": 1000.0}
        statistics["query"] |= {
            "queryPlan": STAGES[: self.stages],
            "timeline": SAMPLES[: self.samples],
        }
        statistics.pop("endTime", None)
        if self.done:
            statistics["endTime"] = 4000.0
        else:
            job["status"] = {"state": "RUNNING"}


@pytest.fixture
def progress(front: Front) -> _Progress:
    """How far jobs seem to be."""
    progress = _Progress()
    front.faults.append(Fault(rewrite(progress), method="GET", path="/jobs/"))
    return progress


async def test_the_log_grows_without_repeating_itself(emulated: Calls, progress: _Progress) -> None:
    """A page ends with a token; what happens after it, to any source, is on the next page."""
    job = await emulated.create(emulated.query("SELECT 1"))
    first, token = await job.log()
    assert [line.message.partition(" ")[0] for line in first] == ["job", "started"]
    assert (await job.log(token))[0] == []
    progress.stages, progress.samples = 1, 1
    second, token = await job.log(token)
    assert [line.message for line in second] == [
        "stage S00: Input complete: 150 records read, 3 written",
        "1 units done, 1 active, 2 pending; 800 slot ms",
    ]
    progress.stages, progress.samples, progress.done = 2, 2, True
    third, end = await job.log(token)
    assert [line.message.partition(":")[0] for line in third] == [
        "3 units done, 0 active, 0 pending; 1700 slot ms",
        "stage S01",
        "ended SUCCEEDED",
    ]
    assert end == ""


async def test_a_running_query_is_as_far_as_its_stages(emulated: Calls, front: Front, progress: _Progress) -> None:
    """The share of their inputs that is read; nothing while BigQuery has no plan yet."""
    job = await emulated.create(emulated.query("SELECT 1"))
    assert "progress" not in (await job.get()).custom_info
    progress.stages = 2
    assert (await job.get()).custom_info["progress"] == 0.75
    assert front.count("GET", "queryPlan%28parallelInputs%2CcompletedParallelInputs%29")
    progress.done = True
    assert "progress" not in (await job.get()).custom_info


async def test_pages_of_any_size_make_up_the_whole_log(emulated: Calls, progress: _Progress) -> None:
    """Small pages concatenate to the large one, in the order of time."""
    progress.stages, progress.samples, progress.done = 2, 2, True
    job = await emulated.create(emulated.query("SELECT 1"))
    whole, _ = await job.log()
    times = [line.timestamp.ToNanoseconds() for line in whole]
    assert times == sorted(times)
    lines, token = await job.log(lines=2)
    assert len(lines) == 2
    while token:
        page, token = await job.log(token, lines=2)
        lines += page
    assert lines == whole
    assert len(whole) == 7


async def test_the_log_of_a_script_lists_its_statements(calls: Calls) -> None:
    """Each statement of a script is a job of its own, with its end in the log."""
    script = "CREATE TEMP TABLE t (n INT64); INSERT INTO t (n) VALUES (1), (2); SELECT n FROM t;"
    job = await calls.create(calls.query(script))
    await job.end()
    lines, _ = await job.log()
    statements = [line.message for line in lines if line.message.startswith("statement ")]
    assert any(text.endswith("INSERT SUCCEEDED, 2 rows affected") for text in statements)


async def test_a_failure_ends_the_log_with_its_reason(emulated: Calls) -> None:
    """The last line of a failed job says why."""
    job = await emulated.create(emulated.query("SELECT nothing"))
    await job.end()
    lines, token = await job.log()
    assert lines[-1].message.startswith("ended FAILED: Unrecognized name: nothing")
    assert token == ""


@given(st.text(min_size=1))
def test_a_foreign_token_is_refused(token: str) -> None:
    """Anything but a token of this log is a bad request, never a crash or another page."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9}){3}", token):
        assert len(read_token(token)) == 4
    else:
        with pytest.raises(InvalidRequestError, match="token: "):
            read_token(token)


async def test_metrics_tell_what_the_job_cost_and_gave(emulated: Calls, front: Front) -> None:
    """Bytes, slot time, cache hit and rows; all, or those that are asked for."""

    def cost(job: dict[str, Any]) -> None:
        job["statistics"]["query"] |= {
            "totalBytesProcessed": "4200",
            "totalBytesBilled": "10485760",
            "totalSlotMs": "37",
            "cacheHit": False,
        }

    front.faults.append(Fault(rewrite(cost), method="GET", path="/jobs/"))
    job = await emulated.create(emulated.query("SELECT * FROM iris"))
    await job.end()
    assert await job.metrics() == {
        "bytes_processed": 4200,
        "bytes_billed": 10485760,
        "slot_ms": 37,
        "cache_hit": False,
        "rows": 150,
    }
    assert await job.metrics("slot_ms") == {"slot_ms": 37}
    with pytest.raises(InvalidRequestError, match="unknown metric 'cpu'; the job has bytes_"):
        await job.metrics("cpu")
