"""Checks: a query whose first row decides whether its task fails."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from bed.calls import Handmade
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
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
            'check failed: large: the first row is {"name": "iris", "large": false, "day": "2024-02-29"}',
        ),
        ("SELECT 0 AS n, CAST(NULL AS STRING) AS s", "check failed: n, s: the first row is "),
        ("SELECT '' AS s", "check failed: s: "),
        ("SELECT 1 AS n FROM iris WHERE FALSE", "check failed: the query gives no row"),
    ],
)
async def test_a_check_that_does_not_hold_fails_with_its_row(calls: Calls, sql: str, said: str) -> None:
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


async def test_rows_that_are_wrong_fail_a_check(calls: Calls) -> None:
    """A query that looks for them: how many there are, and the first."""
    sql = "SELECT n, 'ż' AS s FROM UNNEST([1, 2, 3]) AS n WHERE n > @most ORDER BY n"
    task = _check(calls, sql, inputs={"most": int}, expect="no_rows")
    assert await calls.run(task, {"most": 3}) == {}
    resource = await (await calls.create(task, {"most": 1})).end()
    assert resource.phase == Phase.FAILED
    assert resource.message == 'check failed: 2 rows, the first is {"n": 2, "s": "ż"}'


COLUMNS = {
    "day": "DATE",
    "N": "int",
    "tags": "ARRAY<STRING>",
    "items": "ARRAY<STRUCT<id INT64, price NUMERIC>>",
}
TYPED = """
    SELECT DATE '2024-02-29' AS day, 1 AS n, ['a'] AS tags,
        [STRUCT(1 AS id, NUMERIC '1.5' AS price)] AS items, TRUE AS more"""


async def test_a_schema_is_expected(calls: Calls) -> None:
    """Names in any case, types by any of their names, rows or none, further columns."""
    assert await calls.run(_check(calls, TYPED, expected_schema=COLUMNS)) == {}
    empty = f"SELECT * FROM ({TYPED}) WHERE FALSE"
    assert await calls.run(_check(calls, empty, expected_schema=COLUMNS)) == {}


async def test_another_schema_fails_a_check(calls: Calls) -> None:
    """The message has each column that is missing or of another type."""
    expected = {**COLUMNS, "day": "TIMESTAMP", "lost": "STRING", "tags": "STRING"}
    resource = await (await calls.create(_check(calls, TYPED, expected_schema=expected))).end()
    assert resource.phase == Phase.FAILED
    assert resource.message == (
        "check failed: column day is DATE, not TIMESTAMP; no column lost (STRING); "
        "column tags is ARRAY<STRING>, not STRING"
    )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("rows", r"custom\.check: expected true, 'no_rows' or a schema, got 'rows'"),
        ({"schema": {}}, r"custom\.check: expected true"),
        ({"schema": {"n": "NUMBER"}}, r"custom\.check\.schema\.n: 'NUMBER' is not a"),
    ],
)
async def test_a_check_that_is_none_is_refused(calls: Calls, check: Any, said: str) -> None:
    """Before the query runs."""
    custom = {"ProjectID": calls.config.ProjectID, "check": check}
    with pytest.raises(InvalidRequestError, match=said):
        await calls.create(Handmade("SELECT 1", custom))


def test_what_a_check_expects_is_checked_where_it_is_declared(calls: Calls) -> None:
    """In the author's program."""
    with pytest.raises(ValueError, match="expect is 'true' or 'no_rows', not 'none'"):
        _check(calls, "SELECT 1", expect="none")
    with pytest.raises(TypeError, match="'NUMBER'"):
        _check(calls, "SELECT 1", expected_schema={"n": "NUMBER"})
