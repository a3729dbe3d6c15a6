"""Sensors: tables, partitions and rows that appear while a task waits for them."""

from __future__ import annotations

import asyncio
import datetime
import time
import uuid
from typing import TYPE_CHECKING, Any

import polars
import pytest
from bed.calls import Handmade
from bed.proxy import Fault, rewrite
from flyte_connectors import DataFrame
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import BigQuerySensor, BigQueryTask
from flyte_connectors_bigquery.sensors import queries

if TYPE_CHECKING:
    from bed.calls import Calls
    from bed.proxy import Front


def sensor(calls: Calls, **options: Any) -> BigQuerySensor:
    """A sensor with short turns."""
    return BigQuerySensor("sensor", calls.config, **{"poll_interval": 1, **options})


@pytest.fixture
def name() -> str:
    """Of a table that does not exist."""
    return f"t{uuid.uuid4().hex}"


async def make(calls: Calls, statement: str) -> None:
    """Run a statement about a table."""
    await calls.run(BigQueryTask("make", statement, calls.config))


async def test_a_table_is_waited_for_with_one_free_call_each(emulated: Calls, front: Front, name: str) -> None:
    """First that it exists, then that it has rows; no query runs, and the table is an output."""
    task = sensor(emulated, table=f"garden.{name}", min_rows=2, outputs={"results": DataFrame, "rows": int})
    job = await emulated.create(task)
    for _ in range(2):
        before = len(front.calls)
        resource = await job.get()
        assert len(front.calls) - before == 1
        assert resource.phase == Phase.RUNNING
        assert resource.message == f"waiting for table p1.garden.{name}: it does not exist"
    assert not front.count("POST")
    assert await job.log() == ([], "")
    assert await job.metrics() == {}
    await make(emulated, f"CREATE TABLE {name} AS SELECT 1 AS n")
    assert (await job.get()).message.endswith("it has 1 of 2 rows")
    await make(emulated, f"INSERT INTO {name} VALUES (2)")
    resource = await job.get()
    assert resource.phase == Phase.SUCCEEDED
    given = task.interface.read_outputs("sensor", resource.outputs)
    assert given["rows"] == 2
    assert given["results"].open(polars.DataFrame).all_sync().height == 2
    await job.delete()


@pytest.mark.parametrize("by", ["name", "date", "moment"])
async def test_a_partition_is_waited_for(emulated: Calls, name: str, by: str) -> None:
    """By its id, or by the day or hour that is an input."""
    moment = datetime.datetime(2024, 2, 29, 1, tzinfo=datetime.timezone.utc)
    hourly = "TIMESTAMP_TRUNC(at, HOUR)" if by == "moment" else "DATE(at)"
    await make(emulated, f"CREATE TABLE {name} (at TIMESTAMP) PARTITION BY {hourly}")
    options: dict[str, Any] = {
        "name": {"partition": "20240229"},
        "date": {"inputs": {"partition": datetime.date}},
        "moment": {"inputs": {"partition": datetime.datetime}},
    }[by]
    inputs = {"date": {"partition": moment.date()}, "moment": {"partition": moment}}.get(by, {})
    job = await emulated.create(sensor(emulated, table=f"garden.{name}", **options), inputs)
    resource = await job.get()
    assert resource.phase == Phase.RUNNING, resource.message
    await make(emulated, f"INSERT INTO {name} VALUES (TIMESTAMP '2024-02-29 01:30:00')")
    assert (await job.end()).phase == Phase.SUCCEEDED


async def test_a_partition_is_waited_for_until_it_has_its_rows(emulated: Calls, name: str) -> None:
    """One row of two is not enough, and those of other partitions do not count."""
    await make(emulated, f"CREATE TABLE {name} (day DATE) PARTITION BY day")
    await make(emulated, f"INSERT INTO {name} VALUES ('2024-02-29'), ('2024-03-01')")
    task = sensor(emulated, table=f"garden.{name}", partition="20240229", min_rows=2)
    job = await emulated.create(task)
    assert (await job.get()).phase == Phase.RUNNING
    await make(emulated, f"INSERT INTO {name} VALUES ('2024-02-29')")
    assert (await job.end()).phase == Phase.SUCCEEDED


async def test_rows_are_asked_for_once_per_interval(emulated: Calls, front: Front, name: str) -> None:
    """However often Flyte asks; a table that does not exist is waited for; parameters are sent again."""
    task = sensor(
        emulated,
        query_template=f"SELECT COUNT(*) >= @n AS enough FROM {name}",
        inputs={"n": int},
        outputs={"enough": bool},
    )
    job = await emulated.create(task, {"n": 2})
    started = time.monotonic()
    for _ in range(5):
        resource = await job.get()
        assert resource.phase == Phase.RUNNING
        assert "Not found" in resource.message or "running" in resource.message
    assert len(front.jobs) <= 1 + (time.monotonic() - started)
    await make(emulated, f"CREATE TABLE {name} AS SELECT n FROM UNNEST([1, 2]) AS n")
    resource = await job.end()
    assert resource.phase == Phase.SUCCEEDED
    assert task.interface.read_outputs("sensor", resource.outputs) == {"enough": True}


async def test_replicas_ask_together(emulated: Calls, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds the last query, and two that are due at once begin one; its answer is always heard."""
    began = time.time()
    now = [began]
    ahead: dict[str, float] = {}

    def later(job: dict[str, Any]) -> None:
        """BigQuery's clock goes on with this one."""
        seconds = ahead.setdefault(job["jobReference"]["jobId"] if "jobReference" in job else "", now[0] - began)
        if "creationTime" in job.get("statistics", {}):
            created = int(job["statistics"]["creationTime"])
            job["statistics"]["creationTime"] = str(created + int(1000 * seconds))

    monkeypatch.setattr(time, "time", lambda: now[0])
    front.faults.append(Fault(rewrite(later), path="/jobs"))
    task = sensor(emulated, query_template="SELECT 0 AS n", poll_interval=60, timeout=10**6)
    job = await emulated.create(task)

    def asked() -> list[str]:
        return [inserted["jobReference"]["jobId"] for inserted in front.jobs]

    key = asked()[0]
    for number in range(1, 6):
        now[0] += 100  # it stands still meanwhile, and the server's does not
        queries._last.clear()  # other replicas
        for resource in await asyncio.gather(*(job.get() for _ in range(3))):
            assert resource.phase == Phase.RUNNING
        assert set(asked()) == {key, *(f"{key}-{begun}" for begun in range(1, number + 1))}
    before = len(front.calls)
    assert (await job.get()).phase == Phase.RUNNING
    assert len(front.calls) - before <= 2  # the job, and its first row
    now[0] += 10**6
    assert (await job.get()).message.startswith("timed out after")


async def test_a_sensor_obeys_its_timeout(emulated: Calls, name: str) -> None:
    """For good, and it says what it was waiting for."""
    for options in ({"table": f"garden.{name}"}, {"query_template": "SELECT 0 AS n"}):
        job = await emulated.create(sensor(emulated, timeout=0.2, **options))
        resource = await job.end()
        assert resource.phase == Phase.FAILED
        assert resource.message.startswith("timed out after 0.2 s, waiting")


async def test_a_query_that_fails_is_not_asked_again(emulated: Calls) -> None:
    """The message has BigQuery's words."""
    job = await emulated.create(sensor(emulated, query_template="SELECT 1 / 0"))
    resource = await job.end()
    assert resource.phase == Phase.FAILED
    assert "zero" in resource.message


async def test_a_passing_fault_of_a_query_is_waited_out(emulated: Calls, front: Front) -> None:
    """BigQuery's own trouble ends a query job, not the waiting."""

    def fail(job: dict[str, Any]) -> None:
        job["status"] = {"state": "DONE", "errorResult": {"reason": "backendError", "message": "x"}}

    front.faults.append(Fault(rewrite(fail), method="GET", path="/jobs/", times=1))
    job = await emulated.create(sensor(emulated, query_template="SELECT 1"))
    assert (await job.get()).phase == Phase.RUNNING
    assert (await job.end()).phase == Phase.SUCCEEDED


async def test_a_cancelled_sensor_ends(emulated: Calls, front: Front) -> None:
    """Its query is cancelled."""

    def run(job: dict[str, Any]) -> None:
        if "status" in job:
            job["status"] = {"state": "RUNNING"}

    front.faults.append(Fault(rewrite(run), method="GET", path="/jobs/"))
    job = await emulated.create(sensor(emulated, query_template="SELECT 1", poll_interval=60))
    assert (await job.get()).phase == Phase.RUNNING
    await job.delete()
    assert front.count("POST", "/cancel") == 1


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (None, r"custom\.wait: missing: use BigQuerySensor"),
        ({"table": {"tableId": "t"}}, r"custom\.wait\.table: expected a REST TableReference"),
        ({"pollSeconds": 0}, r"custom\.wait\.pollSeconds: expected a number from 1, got 0"),
        ({"timeoutSeconds": "x"}, r"custom\.wait\.timeoutSeconds: expected a number from 0"),
        ({"minRows": True}, r"custom\.wait\.minRows: expected a number from 0, got True"),
    ],
)
async def test_a_bad_request_waits_for_nothing(emulated: Calls, front: Front, wait: Any, said: str) -> None:
    """One line that names the field."""
    task = Handmade("SELECT 1", {"ProjectID": "p1", "wait": wait}, "bigquery_sensor_task")
    with pytest.raises(InvalidRequestError, match=said):
        await emulated.create(task)
    assert not front.calls


def test_a_sensor_waits_for_one_thing(calls: Calls) -> None:
    """What is wrong in a program is found where it is declared."""
    for options in ({}, {"table": "d.t", "query_template": "SELECT 1"}):
        with pytest.raises(ValueError, match="either table or query_template"):
            sensor(calls, **options)
    with pytest.raises(ValueError, match="not an id of a partition"):
        sensor(calls, table="d.t", partition="x' OR 'x")
    with pytest.raises(ValueError, match="not a part of a table's name"):
        sensor(calls, table="p.d`x.t", partition="20240229")
