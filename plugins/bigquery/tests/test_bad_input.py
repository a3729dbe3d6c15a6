"""Bad requests: one line that names the field and the way out, and no job left behind."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import TYPE_CHECKING, Any

import pytest
from bed.calls import CONFIG, Calls
from bed.proxy import Fault, answer, rewrite
from flyte_connectors import File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
)
from flyte_connectors_bigquery import BigQueryConfig, BigQueryTask
from flyte_connectors_bigquery.values.types import ParameterTypeError

if TYPE_CHECKING:
    from bed.proxy import Front

NOON = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize("project", ["", "My Project", "p1/../p2"])
async def test_a_project_is_needed(emulated: Calls, front: Front, project: str) -> None:
    """Without a well-formed project nothing is sent."""
    with pytest.raises(InvalidRequestError, match=r"custom.ProjectID: .* set ProjectID"):
        await emulated.create(emulated.query("SELECT 1", ProjectID=project))
    assert not front.calls


async def test_a_query_is_needed(emulated: Calls, front: Front) -> None:
    """An empty statement is refused before anything is sent."""
    with pytest.raises(InvalidRequestError, match=r"sql.statement: empty"):
        await emulated.create(emulated.query(" \n"))
    assert not front.calls


async def test_an_unknown_location_is_refused_in_bigquerys_words(emulated: Calls, front: Front) -> None:
    """What BigQuery says to a location that it does not have reaches the author."""
    message = "Not found: Location mars"
    front.faults.append(Fault(answer(404, "notFound", message), method="POST"))
    with pytest.raises(InvalidRequestError, match=message):
        await emulated.create(emulated.query("SELECT 1", Location="mars"))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 FROM nowhere.t", "nowhere"),
        ("SELECT 1 FROM nothing", r"\.nothing was not found"),
        ("SELECT 1,\n  FRM x y", r"Syntax error: .* at \[2:"),
    ],
)
async def test_what_the_query_lacks_is_the_message(calls: Calls, sql: str, said: str) -> None:
    """A missing dataset or table and a syntax error, with line and column, are user failures."""
    try:
        resource = await (await calls.create(calls.query(sql))).end()
    except InvalidRequestError as refused:  # BigQuery may refuse it when it is handed in
        message = refused.message
    else:
        assert resource.phase == Phase.FAILED
        message = resource.message
    assert re.search(said, message), message
    assert "\n" not in message


async def test_an_insert_that_is_refused_at_once_says_why(emulated: Calls, front: Front) -> None:
    """BigQuery may also refuse a query when it is handed in; its words are kept, the URL is not."""
    message = "Syntax error: Unexpected keyword FROM at [1:8]"
    front.faults.append(Fault(answer(400, "invalidQuery", message), method="POST"))
    with pytest.raises(InvalidRequestError, match=r"at \[1:8\] \(invalidQuery\)") as raised:
        await emulated.create(emulated.query("SELECT FROM"))
    assert "http" not in raised.value.message


@pytest.mark.parametrize(
    ("python_type", "sql_type", "value", "said"),
    [
        (str, "DATE", "29 February", r"inputs.x: expected DATE, got '29 February' \(str\)"),
        (str, "TIME", "25:00:00", "inputs.x: expected TIME"),
        (str, "JSON", "{", "inputs.x: expected JSON"),
        (str, "BIGNUMERIC", "1e999999999", "inputs.x: expected BIGNUMERIC"),
        (list[str], "ARRAY<DATE>", ["2024-01-01", "x"], r"inputs.x\[1\]: expected DATE"),
        (dict, "STRUCT<n INT64>", {"n": "1"}, r"inputs.x.n: expected INT64"),
        (int, "ARRAY<INT64>", 1, "inputs.x: expected ARRAY"),
        (datetime.datetime, "DATE", NOON, "inputs.x: expected DATE"),
    ],
)
async def test_a_value_that_does_not_fit_its_parameter_is_named(  # noqa: PLR0913, PLR0917
    emulated: Calls, front: Front, python_type: Any, sql_type: str, value: Any, said: str
) -> None:
    """The error leads to the wrong part of the input, and nothing is sent."""
    config = dataclasses.replace(CONFIG, parameter_types={"x": sql_type})
    task = BigQueryTask(name="typed", query_template="SELECT @x", plugin_config=config, inputs={"x": python_type})
    with pytest.raises(InvalidRequestError, match=said):
        await emulated.create(task, {"x": value})
    assert not front.calls


@pytest.mark.parametrize("python_type", [complex, list[list[int]], File, int | str])
def test_an_input_type_without_counterpart_is_refused_when_declared(python_type: Any) -> None:
    """BigQuery has no parameter for it, and the author learns so at once."""
    with pytest.raises(ParameterTypeError):
        BigQueryTask(
            name="typed",
            query_template="SELECT @x",
            plugin_config=CONFIG,
            inputs={"x": python_type},
        )


async def test_no_permission_is_permission_denied(emulated: Calls, front: Front) -> None:
    """What the credentials may not do is distinguished from a bad query."""
    message = "Access Denied: Project p1: User does not have bigquery.jobs.create permission"
    front.faults.append(Fault(answer(403, "accessDenied", message), method="POST"))
    with pytest.raises(PermissionDeniedError, match=r"bigquery\.jobs\.create"):
        await emulated.create(emulated.query("SELECT 1"))


async def test_a_query_over_the_limit_is_refused_before_it_runs(emulated: Calls, front: Front) -> None:
    """`max_bytes` is held against a dry run; no job is started."""
    front.faults.append(Fault(_reads(2 * 10**12), method="POST", times=1))
    with pytest.raises(InvalidRequestError, match=r"would read 2000000000000 bytes, .* max_bytes"):
        await emulated.create(emulated.query("SELECT * FROM iris", max_bytes=10**12))
    assert front.count("POST") == 1


async def test_a_job_over_its_billing_limit_fails_with_the_reason(emulated: Calls, front: Front) -> None:
    """`maximum_bytes_billed` is BigQuery's to hold; its reason is the task's message."""
    error = {
        "reason": "bytesBilledLimitExceeded",
        "message": "Query exceeded limit for bytes billed",
    }
    front.faults.append(Fault(_ends_with(error), method="GET", path="/jobs/"))
    resource = await (await emulated.create(emulated.query("SELECT 1", maximum_bytes_billed=1))).end()
    assert resource.phase == Phase.FAILED
    assert resource.message == "Query exceeded limit for bytes billed (bytesBilledLimitExceeded)"


async def test_a_job_that_is_lost_is_not_found(emulated: Calls, front: Front) -> None:
    """A job that BigQuery has forgotten is not a transient error."""
    job = await emulated.create(emulated.query("SELECT 1"))
    front.faults.append(Fault(answer(404, "notFound", "Not found: Job p1:x"), method="GET"))
    with pytest.raises(JobNotFoundError, match="Not found: Job"):
        await job.get()


async def test_a_result_that_has_expired_is_named(emulated: Calls, front: Front) -> None:
    """Values can be had as long as the anonymous table of the result; the job is named, in one line."""
    expired = answer(404, "notFound", "Not found: Table p1:_anonymous.t was not found")
    front.faults.append(Fault(expired, method="GET", path="/queries/"))
    job = await emulated.create(emulated.query("SELECT 1 AS n", outputs={"n": int}))
    with pytest.raises(JobNotFoundError, match=r"^result of BigQuery job p1:US\.\S+: Not found: T"):
        await job.end()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"Team": "x"}, "custom.labels.Team: a label's key"),
        ({"team": "A B"}, "custom.labels.team: 'A B'"),
    ],
)
async def test_labels_that_bigquery_can_not_take_are_named(calls: Calls, labels: dict[str, str], said: str) -> None:
    """Keys and values follow BigQuery's rules for labels."""
    with pytest.raises(InvalidRequestError, match=said):
        await calls.create(calls.query("SELECT 1", labels=labels))


@pytest.mark.parametrize("wrong", [{"destination": "table"}, {"destination": "a..b"}, {"default_dataset": "p."}])
def test_a_name_that_is_no_table_is_refused(wrong: dict[str, Any]) -> None:
    """Destination and default dataset are checked when the task is serialized."""
    with pytest.raises(ValueError, match=r"write 'project\.dataset"):
        BigQueryConfig(ProjectID="p1", **wrong).to_custom()


async def test_a_custom_number_that_is_none_is_named(calls: Calls) -> None:
    """Hand-made `custom` is checked like our own."""
    task = _Handmade("SELECT 1", {"ProjectID": "p1", "maxBytes": "many"})
    with pytest.raises(InvalidRequestError, match=r"custom\.maxBytes: expected a number from 0"):
        await calls.create(task)


class _Handmade(BigQueryTask):
    """A task whose `custom` somebody else wrote."""

    def __init__(self, sql: str, custom: dict[str, Any]) -> None:
        super().__init__("handmade", sql, CONFIG)
        self._custom = custom

    def custom_config(self, sctx: Any) -> dict[str, Any]:
        return self._custom


def _reads(size: int) -> Any:
    def change(job: dict[str, Any]) -> None:
        job["statistics"]["query"]["totalBytesProcessed"] = str(size)
        job["statistics"]["totalBytesProcessed"] = str(size)

    return rewrite(change)


def _ends_with(error: dict[str, str]) -> Any:
    def change(job: dict[str, Any]) -> None:
        job["status"] = {"state": "DONE", "errorResult": error, "errors": [error]}

    return rewrite(change)
