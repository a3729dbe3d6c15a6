"""One attempt of a task is one BigQuery job, whatever happens to the calls that start it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest
from bed.calls import CONFIG, Calls, Job
from bed.proxy import UNAVAILABLE, Fault, answer, lost_reply, reset
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError
from flyte_connectors_bigquery import BigQueryTask
from flyte_connectors_bigquery.connector import BigQueryMetadata
from flyte_connectors_bigquery.jobs import request

if TYPE_CHECKING:
    from bed.proxy import Front

LONG = "SELECT SUM(a * b) FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"
INSERT = {"method": "POST", "path": r"/jobs\?"}


async def test_the_same_attempt_again_is_the_same_job(calls: Calls) -> None:
    """A replayed create finds the job, runs nothing again and gives the same meta."""
    append = await _append(calls)
    first = await calls.create(append, run="replayed")
    again = await calls.create(append, run="replayed")
    assert first.meta == again.meta
    await again.end()
    assert await _runs(calls) == 1


async def test_replicas_that_race_start_one_job(calls: Calls) -> None:
    """Of many creates of one attempt at once, one starts the job and the others find it."""
    append = await _append(calls)
    jobs = await asyncio.gather(*(calls.create(append, run="raced") for _ in range(8)))
    assert len({job.meta for job in jobs}) == 1
    await jobs[0].end()
    assert await _runs(calls) == 1


@pytest.mark.parametrize(
    ("sql", "ended"),
    [
        ("SELECT 1", Phase.SUCCEEDED),
        ("SELECT 1 / n FROM UNNEST([0]) AS n", Phase.FAILED),
        (LONG, Phase.ABORTED),
    ],
)
async def test_a_job_that_has_ended_is_found_again(calls: Calls, sql: str, ended: Phase) -> None:
    """However it ended: a request that arrives late runs nothing and tells the same."""
    task = calls.query(sql)
    first = await calls.create(task, run=f"ended-{ended.name.lower()}")
    while ended == Phase.ABORTED and (await first.get()).phase != ended:
        await first.delete()  # the emulator misses one that comes before the query runs
        await asyncio.sleep(0.1)
    resource = await first.end()
    assert resource.phase == ended
    again = await calls.create(task, run=f"ended-{ended.name.lower()}")
    assert again.meta == first.meta
    assert await again.get() == resource


async def test_a_lost_reply_does_not_run_the_query_twice(emulated: Calls, front: Front) -> None:
    """When the answer to an insert is lost, the next attempt finds the job."""
    append = await _append(emulated)
    front.faults.append(Fault(lost_reply, times=1, **INSERT))
    job = await emulated.create(append)
    assert (await job.end()).phase == Phase.SUCCEEDED
    assert await _runs(emulated) == 1


async def test_an_insert_that_never_arrived_is_sent_again(emulated: Calls, front: Front) -> None:
    """A reset or an unavailable service costs another try, not the task."""
    append = await _append(emulated)
    front.faults.append(Fault(reset, times=1, **INSERT))
    front.faults.append(Fault(UNAVAILABLE, times=1, **INSERT))
    await (await emulated.create(append)).end()
    assert await _runs(emulated) == 1


async def test_a_job_that_shows_late_is_waited_for(emulated: Calls, front: Front) -> None:
    """BigQuery may refuse an id and yet not find its job for a moment."""
    append = await _append(emulated)
    await (await emulated.create(append, run="late")).end()
    missing = answer(404, "notFound", "Not found: Job p1:late")
    front.faults.append(Fault(missing, method="GET", path="/jobs/", times=2))
    await emulated.create(append, run="late")
    assert await _runs(emulated) == 1


async def test_a_job_in_an_unnamed_region_is_found(emulated: Calls, front: Front) -> None:
    """Without a location BigQuery looks in two regions only; the job's own is looked up."""
    task = emulated.query("SELECT 1", Location=None)
    first = await emulated.create(task, run="regional")
    missing = answer(404, "notFound", "Not found: Job p1:regional")
    front.faults.append(Fault(missing, method="GET", path="/jobs/", times=1))
    again = await emulated.create(task, run="regional")
    assert again.meta == first.meta
    assert front.count("GET", "/jobs?") == 1


async def test_a_job_id_of_another_query_is_a_conflict(calls: Calls) -> None:
    """A job of the same id that runs something else is never taken for the task's own."""
    await calls.create(calls.query("SELECT 1"), run="taken")
    with pytest.raises(ConflictError, match=r"job id taken-\w+-a0-0-\w+ in project \S+ belongs"):
        await calls.create(calls.query("SELECT 2"), run="taken")


async def test_a_limit_is_not_held_against_a_replay(emulated: Calls, front: Front) -> None:
    """A job that is there needs no dry run, which may fail by now: its table exists."""
    config = dataclasses.replace(CONFIG, max_bytes=10**9)
    task = BigQueryTask(name="once", query_template="CREATE TABLE once (n INT64)", plugin_config=config)
    await (await emulated.create(task, run="limited")).end()
    dry_run_and_insert = front.count("POST")
    assert (await (await emulated.create(task, run="limited")).end()).phase == Phase.SUCCEEDED
    assert (dry_run_and_insert, front.count("POST")) == (2, 3)


def test_a_replay_is_known_whatever_the_order_of_its_inputs() -> None:
    """Inputs arrive in any order; what tells one query from another does not depend on it."""
    task = BigQueryTask(
        name="two",
        query_template="SELECT @a, @b",
        plugin_config=CONFIG,
        inputs={"a": int, "b": int},
    )
    digests = {
        request.read_query(task.to_proto(), inputs, None).digest
        for inputs in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1})
    }
    assert len(digests) == 2


async def test_cancelling_is_repeatable(calls: Calls) -> None:
    """A running job is aborted; cancelling it again, or a finished or unknown one, is success."""
    task = calls.query(LONG)
    job = await calls.create(task)
    assert (await job.get()).phase in {Phase.QUEUED, Phase.RUNNING}
    for _ in range(3):
        await job.delete()
    assert (await job.end()).phase == Phase.ABORTED
    await job.delete()
    finished = await calls.create(calls.query("SELECT 1"))
    await finished.end()
    await finished.delete()
    assert (await finished.get()).phase == Phase.SUCCEEDED
    lost = BigQueryMetadata("never-started", calls.config.ProjectID, calls.config.Location)
    await Job(calls.dispatcher, task, lost.encode(), {}).delete()


async def _append(calls: Calls) -> BigQueryTask:
    """A task that leaves a trace each time it runs."""
    await calls.run(calls.query("CREATE OR REPLACE TABLE runs (n INT64)"))
    return calls.query("INSERT INTO runs (n) VALUES (1)")


async def _runs(calls: Calls) -> int:
    count = calls.query("SELECT COUNT(*) FROM runs", outputs={"n": int})
    n: int = (await calls.run(count))["n"]
    return n
