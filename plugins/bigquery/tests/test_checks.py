"""Checks: a query whose first row decides whether its task fails."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.connector import Phase
from flyte_connectors_bigquery import BigQueryCheckTask

if TYPE_CHECKING:
    from bed.calls import Calls


def _check(calls: Calls, sql: str, **options: Any) -> BigQueryCheckTask:
    return BigQueryCheckTask("check", sql, calls.config, **options)


async def test_a_check_that_holds_succeeds_with_its_values(calls: Calls) -> None:
    """Inputs and outputs as those of any query."""
    task = _check(
        calls,
        "SELECT COUNT(*) AS n, MIN(petal_length) > @least AS long FROM iris",
        inputs={"least": float},
        outputs={"n": int},
    )
    assert await calls.run(task, {"least": 0.5}) == {"n": 150}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT 'iris' AS name, COUNT(*) > 200 AS large, DATE '2024-02-29' AS day FROM iris",
            'check failed, large: the first row is {"name": "iris", "large": false, "day": "2024-02-29"}',
        ),
        ("SELECT 0 AS n, CAST(NULL AS STRING) AS s", "check failed, n, s: the first row is "),
        ("SELECT '' AS s", "check failed, s: "),
        ("SELECT 1 AS n FROM iris WHERE FALSE", "check failed: the query gives no row"),
    ],
)
async def test_a_check_that_does_not_hold_fails_with_its_row(
    calls: Calls, sql: str, said: str
) -> None:
    """For good, and the message has all that the query gave."""
    job = await calls.create(_check(calls, sql))
    for _ in range(2):
        resource = await job.end()
        assert resource.phase == Phase.FAILED
        assert resource.message.startswith(said)


async def test_rows_after_the_first_are_not_looked_at(calls: Calls) -> None:
    """A check of many rows has to count what is wrong."""
    assert await calls.run(_check(calls, "SELECT n FROM UNNEST([1, 0]) AS n ORDER BY n DESC")) == {}


def test_a_check_needs_no_other_connector(calls: Calls) -> None:
    """It is a query to the service."""
    task = _check(calls, "SELECT @day", inputs={"day": datetime.date})
    assert task.to_proto().type == "bigquery_query_job_task"
