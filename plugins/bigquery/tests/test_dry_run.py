"""Estimates: what a query would read and give, without running it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from bed.calls import Calls
from bed.proxy import UNAVAILABLE, Fault, rewrite
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import BigQueryDryRunTask

if TYPE_CHECKING:
    from bed.proxy import Front

SQL = """
    SELECT species, MAX(petal_width) AS widest FROM iris
    WHERE species = @s GROUP BY species"""


async def test_an_estimate_names_schema_and_tables_and_runs_nothing(emulated: Calls, front: Front) -> None:
    """Schema and tables of a query with parameters, from one call that starts no job."""
    estimate = await emulated.run(_task(emulated, SQL, inputs={"s": str}), {"s": "setosa"})
    assert [(field["name"], field["type"]) for field in estimate["schema"]["fields"]] == [
        ("species", "STRING"),
        ("widest", "FLOAT"),
    ]
    assert estimate["referenced_tables"] == [emulated.table("iris")]
    assert [call.method for call in front.calls] == ["POST"]


async def test_the_price_comes_from_the_configured_rate(emulated: Calls, front: Front) -> None:
    """Bytes times rate, in the currency of the rate."""

    def half_a_tebibyte(job: dict[str, Any]) -> None:
        job["statistics"]["query"]["totalBytesProcessed"] = str(2**39)

    front.faults.append(Fault(rewrite(half_a_tebibyte), method="POST"))
    estimate = await emulated.run(_task(emulated, "SELECT 1", price_per_tebibyte=6.25))
    assert (estimate["bytes_processed"], estimate["estimated_price"]) == (2**39, 3.125)


async def test_a_price_without_a_rate_is_refused(calls: Calls) -> None:
    """Nobody guesses what a tebibyte costs."""
    task = _task(calls, "SELECT 1", price_per_tebibyte=6.25)
    task.plugin_config = calls.config
    with pytest.raises(InvalidRequestError, match=r"custom\.pricePerTebibyte: not set"):
        await calls.run(task)


async def test_a_statement_that_changes_rows_changes_none(calls: Calls) -> None:
    """DML is estimated as well."""
    await calls.run(_task(calls, "DELETE FROM iris WHERE TRUE"))
    estimate = await calls.run(_task(calls, "SELECT 1 FROM iris"))
    assert estimate["referenced_tables"] == [calls.table("iris")]


async def test_what_is_wrong_with_a_query_shows_without_running_it(calls: Calls) -> None:
    """A syntax error, with its place, is a bad request."""
    with pytest.raises(InvalidRequestError, match=r"at \[1:"):
        await calls.run(_task(calls, "SELECT 1 FRM x y"))


async def test_an_estimate_survives_a_passing_fault(emulated: Calls, front: Front) -> None:
    """A dry run that fails in passing is tried again."""
    front.faults.append(Fault(UNAVAILABLE, method="POST", times=2))
    await emulated.run(_task(emulated, "SELECT 1"))
    assert front.count("POST") == 3


def _task(calls: Calls, sql: str, inputs: dict[str, type] | None = None, **config: Any) -> BigQueryDryRunTask:
    return BigQueryDryRunTask(
        name="estimate",
        query_template=sql,
        plugin_config=dataclasses.replace(calls.config, **config),
        inputs=inputs,
    )
