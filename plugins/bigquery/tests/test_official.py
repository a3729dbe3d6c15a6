"""Tasks and jobs of the official SDK's BigQuery plugin, served by this one."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import polars
from bed.calls import Calls, Job
from flyte_connectors import DataFrame, NativeInterface, TaskTemplate
from flyte_connectors.connector import Phase
from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Mapping


class OfficialTask(TaskTemplate):
    """What the official `BigQueryTask` puts on the wire, seen in flyteplugins-bigquery 2.12."""

    def __init__(
        self,
        project: str,
        sql: str,
        inputs: Mapping[str, type] | None = None,
        config: bigquery.QueryJobConfig | None = None,
    ) -> None:
        super().__init__(
            name="official",
            interface=NativeInterface(inputs or {}, {"results": DataFrame}),
            task_type="bigquery_query_job_task",
        )
        self._project = project
        self._sql = sql
        self._config = config

    def custom_config(self, sctx: Any) -> dict[str, Any]:
        custom = {"Location": None, "ProjectID": self._project, "Domain": sctx.domain}
        if self._config is not None:
            custom.update(self._config.to_api_repr()["query"])
        return custom

    def sql(self, sctx: Any) -> str:
        return self._sql


async def test_an_official_task_runs_unchanged(calls: Calls) -> None:
    """Inputs become parameters by their Flyte types; a datetime is a DATETIME, as it was there."""
    task = OfficialTask(
        calls.config.ProjectID,
        "SELECT @n + 1 AS n, @text AS text, ARRAY_LENGTH(@ids) AS ids,"
        " DATETIME_DIFF(@end, DATETIME '2024-01-01', DAY) AS days",
        {"n": int, "text": str, "end": datetime.datetime, "ids": list[int]},
    )
    end = datetime.datetime(2024, 1, 3, tzinfo=datetime.timezone.utc)
    results = await calls.run(task, {"n": 1, "text": "x", "end": end, "ids": [1, 2, 3]})
    (row,) = results["results"].open(polars.DataFrame).all_sync().to_dicts()
    assert row == {"n": 2, "text": "x", "ids": 3, "days": 2}


async def test_the_job_configuration_of_an_official_task_holds(calls: Calls) -> None:
    """Its `QueryJobConfig`, which the official connector ignores, reaches BigQuery."""
    config = bigquery.QueryJobConfig(
        destination=calls.table("official"),
        write_disposition="WRITE_TRUNCATE",
        query_parameters=[bigquery.ScalarQueryParameter("fixed", "DATE", "2024-02-29")],
    )
    task = OfficialTask(calls.config.ProjectID, "SELECT @fixed AS day", config=config)
    results = (await calls.run(task))["results"]
    assert results.uri == calls.uri("official")


async def test_a_job_that_the_official_service_started_is_found(calls: Calls) -> None:
    """Its meta is another class's; a service that takes over goes on with its jobs."""
    task = OfficialTask(calls.config.ProjectID, "SELECT 1 AS n")
    job = await calls.create(task, run="handed-over")
    await job.end()
    job_id = next(line.message.split()[1] for line in (await job.log())[0])
    where = {"project": calls.config.ProjectID, "location": calls.config.Location}
    bare = json.dumps({"job_id": job_id, **where, "user_agent": "Flyte/2"}).encode()
    resource = await Job(calls.dispatcher, task, bare, {}).get()
    assert resource.phase == Phase.SUCCEEDED
    assert [output.name for output in resource.outputs.literals] == ["results"]
