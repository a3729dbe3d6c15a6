"""Google's own service, where credentials are present: what no emulator can promise.

Set `BIGQUERY_TEST_PROJECT` to a project in which the application default credentials may run jobs.
The queries read no stored bytes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Any

import pandas
import pytest
from bed.calls import CONFIG, Calls
from flyte_connectors import DataFrame
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyte_connectors_bigquery import BigQueryDryRunTask, BigQueryTask
from test_query import VALUES

PROJECT = os.environ.get("BIGQUERY_TEST_PROJECT", "")
LIVE = dataclasses.replace(CONFIG, ProjectID=PROJECT)
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PROJECT, reason="BIGQUERY_TEST_PROJECT names no project"),
]


@pytest.fixture
def google() -> Calls:
    """The connectors, pointed at Google."""
    return Calls()


async def test_parameters_of_every_type(google: Calls) -> None:
    """Google reads each parameter as the value that went in."""
    task = BigQueryTask(
        name="every_type",
        query_template="SELECT " + ", ".join(f"@{name} AS {name}" for name in VALUES),
        plugin_config=dataclasses.replace(
            LIVE, parameter_types={name: sql for name, (_, sql, _, _) in VALUES.items() if sql}
        ),
        inputs={name: python_type for name, (python_type, *_) in VALUES.items()},
        output_dataframe_type=DataFrame,
    )
    inputs = {name: value for name, (_, _, value, _) in VALUES.items()}
    frame = await (await google.run(task, inputs))["results"].open(pandas.DataFrame).all()
    assert list(frame.columns) == list(VALUES)


async def test_one_job_for_racing_replicas(google: Calls) -> None:
    """Eight creates of one attempt are one job; its id is taken for any other query."""
    run = f"live-{os.urandom(6).hex()}"
    jobs = await asyncio.gather(*(google.create(_task("SELECT 1 AS n"), run=run) for _ in range(8)))
    assert len({job.meta for job in jobs}) == 1
    assert (await jobs[0].end(120)).phase == Phase.SUCCEEDED
    with pytest.raises(ConflictError):
        await google.create(_task("SELECT 2 AS n"), run=run)


async def test_a_region_that_is_not_named(google: Calls) -> None:
    """A job in a region that BigQuery chose is found again by its meta and by a replay."""
    run = f"live-{os.urandom(6).hex()}"
    task = _task("SELECT 1 AS n", Location=None)
    first = await google.create(task, run=run)
    assert (await google.create(task, run=run)).meta == first.meta
    assert (await first.end(120)).phase == Phase.SUCCEEDED


async def test_a_dry_run_counts_bytes(google: Calls) -> None:
    """A public table has a size; the limit is held against it."""
    sql = "SELECT word FROM `bigquery-public-data.samples.shakespeare`"
    estimate = await google.run(
        BigQueryDryRunTask(name="estimate", query_template=sql, plugin_config=LIVE)
    )
    assert estimate["bytes_processed"] > 0
    with pytest.raises(InvalidRequestError, match="max_bytes"):
        await google.create(_task(sql, max_bytes=1))


async def test_a_job_that_is_cancelled(google: Calls) -> None:
    """Cancelling, twice, ends a job as ABORTED, or it had ended already."""
    job = await google.create(
        _task("SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 1000000)) a, "
              "UNNEST(GENERATE_ARRAY(1, 1000000)) b")
    )  # fmt: skip
    await job.delete()
    await job.delete()
    assert (await job.end(120)).phase in {Phase.ABORTED, Phase.SUCCEEDED}


def _task(sql: str, **config: Any) -> BigQueryTask:
    return BigQueryTask(
        name="live", query_template=sql, plugin_config=dataclasses.replace(LIVE, **config)
    )
