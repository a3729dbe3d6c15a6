"""Queries, estimates, waits and transfers obey the rules of every connector. The service is the test bed's server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from bed.calls import CONFIG
from bed.jobs import Jobs, QueryJobs
from flyte_connectors.testing import ConnectorConformance
from flyte_connectors_bigquery import (
    BigQueryCheckTask,
    BigQueryConnector,
    BigQueryCopyConfig,
    BigQueryCopyConnector,
    BigQueryCopyTask,
    BigQueryDryRunConnector,
    BigQueryDryRunTask,
    BigQueryExtractConfig,
    BigQueryExtractConnector,
    BigQueryExtractTask,
    BigQueryLoadConfig,
    BigQueryLoadConnector,
    BigQueryLoadTask,
    BigQuerySensor,
    BigQuerySensorConnector,
    BigQueryTask,
)
from flyte_connectors_bigquery.access import connections
from flyte_connectors_bigquery.client import BigQuery
from flyteidl2.connector.connector_pb2 import CreateTaskRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bed.emulator import Emulator
    from bed.proxy import Front
    from flyte_connectors import TaskTemplate

WHERE = {"ProjectID": CONFIG.ProjectID, "Location": CONFIG.Location}
VALUES: dict[Any, Any] = {
    int: 2**53 + 1,
    float: 0.1,
    bool: True,
    str: "Żółć '\"\\ @value \n",
    list[int]: [1, 2],
}


class _Conformance(ConnectorConformance):
    """What both connectors share."""

    connector_class: ClassVar[type]
    jobs_class: ClassVar[type[Jobs]] = QueryJobs
    task: ClassVar[TaskTemplate]

    @pytest.fixture
    def service(self, front: Front, monkeypatch: pytest.MonkeyPatch) -> Jobs:
        jobs = self.jobs_class(front)

        def impatient(client: Any) -> BigQuery:
            return BigQuery(client, submitting=jobs.limit, asking=jobs.limit)

        monkeypatch.setattr(connections, "BigQuery", impatient)
        return jobs

    @pytest.fixture
    def connector(self, service: Jobs) -> Callable[[], Any]:
        return self.connector_class

    @pytest.fixture
    def good_request(self) -> CreateTaskRequest:
        return CreateTaskRequest(template=self.task.to_proto(), output_prefix="file:///nowhere")

    @pytest.fixture
    def bad_requests(self, good_request: CreateTaskRequest) -> Mapping[str, CreateTaskRequest]:
        wrong: dict[str, dict[str, Any]] = {
            "custom.ProjectID": {"ProjectID": "no project"},
            "custom.maxBytes": {"maxBytes": "many"},
            "custom.labels.Team": {"labels": {"Team": "garden"}},
        }
        requests = {field: _with(good_request, **custom) for field, custom in wrong.items()}
        requests["sql.statement"] = _with(good_request)
        requests["sql.statement"].template.sql.statement = " "
        return requests


class TestQueries(_Conformance):
    """The connector of task type `bigquery_query_job_task`."""

    connector_class = BigQueryConnector
    task = BigQueryTask("three", "SELECT 3 AS n", CONFIG, outputs={"n": int})

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        task = BigQueryTask("four", "SELECT 4 AS n", CONFIG, outputs={"n": int})
        return CreateTaskRequest(template=task.to_proto(), output_prefix="file:///nowhere")

    @pytest.fixture
    def typed_requests(self) -> Mapping[str, CreateTaskRequest]:
        return {str(kind): _echo(kind, value) for kind, value in VALUES.items()}

    @pytest.fixture
    def golden_metas(self) -> Mapping[bytes, Mapping[str, object]]:
        """Of the official connector."""
        official = {"job_id": "j", "project": "p1", "location": "US"}
        return {json.dumps(official).encode(): {**official, "outputs": None}}


class TestSensors(_Conformance):
    """The connector of task type `bigquery_sensor_task`, as far as it waits for a query."""

    connector_class = BigQuerySensorConnector
    jobs_class = Jobs
    task = BigQuerySensor("three", CONFIG, query_template="SELECT 3 AS n", outputs={"n": int}, poll_interval=3600)


@pytest.mark.slow
class TestChecks(_Conformance):
    """A check is a query whose first row decides."""

    connector_class = BigQueryConnector
    task = BigQueryCheckTask("three", "SELECT 3 AS n", CONFIG, outputs={"n": int})


class TestDryRuns(_Conformance):
    """The connector of task type `bigquery_dry_run_task`."""

    connector_class = BigQueryDryRunConnector
    task = BigQueryDryRunTask("three", "SELECT 3 AS n", CONFIG)


class _Transfers(_Conformance):
    """What the connectors of loads, extracts and copies share."""

    jobs_class = Jobs
    files: ClassVar[str]

    @pytest.fixture
    def bad_requests(self, good_request: CreateTaskRequest) -> Mapping[str, CreateTaskRequest]:
        wrong: dict[str, dict[str, Any]] = {
            "custom.ProjectID": {"ProjectID": "no project"},
            "custom.priority": {"priority": "BATCH"},
            f"custom.{self.files}": {self.files: []},
        }
        return {field: _with(good_request, **custom) for field, custom in wrong.items()}


class TestCopies(_Transfers):
    """The connector of task type `bigquery_copy_task`."""

    connector_class = BigQueryCopyConnector
    files = "sourceTables"
    task = BigQueryCopyTask(
        "copy",
        BigQueryCopyConfig(
            **WHERE,
            sources=["garden.iris"],
            destination="garden.copied",
            write_disposition="WRITE_TRUNCATE",
        ),
        outputs={"rows": int},
    )


@pytest.mark.slow
class TestLoads(_Transfers):
    """The connector of task type `bigquery_load_task`."""

    connector_class = BigQueryLoadConnector
    files = "sourceUris"
    task = BigQueryLoadTask(
        "load",
        BigQueryLoadConfig(
            **WHERE,
            source_uris=["gs://conformance/rows.jsonl"],
            destination="garden.loaded",
            schema={"n": "INT64"},
            write_disposition="WRITE_TRUNCATE",
        ),
        outputs={"rows": int},
    )

    @pytest.fixture(autouse=True)
    def _file(self, server: Emulator) -> None:
        folder = server.buckets / "conformance"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rows.jsonl").write_text('{"n": 1}\n')


@pytest.mark.slow
class TestExtracts(_Transfers):
    """The connector of task type `bigquery_extract_task`."""

    connector_class = BigQueryExtractConnector
    files = "destinationUris"
    task = BigQueryExtractTask(
        "extract",
        BigQueryExtractConfig(**WHERE, source="garden.iris", destination_uris=["gs://conformance/iris.csv"]),
        outputs={"files": int},
    )


def _with(request: CreateTaskRequest, **custom: Any) -> CreateTaskRequest:
    changed = CreateTaskRequest()
    changed.CopyFrom(request)
    changed.template.custom.update(custom)
    return changed


def _echo(kind: Any, value: object) -> CreateTaskRequest:
    """A query that gives its parameter back."""
    task = BigQueryTask("echo", "SELECT @value AS value", CONFIG, inputs={"value": kind})
    inputs = task.interface.write_inputs("echo", {"value": value})
    return CreateTaskRequest(template=task.to_proto(), inputs=inputs)
