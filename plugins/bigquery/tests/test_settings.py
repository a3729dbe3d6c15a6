"""Settings of jobs, held against Google's own description of its API and the vendor's objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bed import discovery
from bed.calls import Calls, Handmade
from bed.proxy import Fault, Front, Reply
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import BigQueryConfig, BigQueryDryRunTask, BigQueryTask
from flyte_connectors_bigquery.jobs.settings import OF_JOB, OF_KIND, OF_TASK, job_configuration
from google.cloud import bigquery

SCHEMAS = discovery.schemas()
SCHEMA_OF = {
    "query": "JobConfigurationQuery",
    "load": "JobConfigurationLoad",
    "extract": "JobConfigurationExtract",
    "copy": "JobConfigurationTableCopy",
}
VENDORS = {
    "query": bigquery.QueryJobConfig,
    "load": bigquery.LoadJobConfig,
    "extract": bigquery.ExtractJobConfig,
    "copy": bigquery.CopyJobConfig,
}


def test_settings_are_those_of_the_discovery_document() -> None:
    """Each member of `JobConfiguration` and of its kinds is known, and no other."""
    members = set(SCHEMAS["JobConfiguration"]["properties"])
    assert members == {*OF_JOB, *OF_KIND, "jobType", "dryRun"}
    for kind, names in OF_KIND.items():
        assert names == set(SCHEMAS[SCHEMA_OF[kind]]["properties"]), kind
        assert not names & (OF_JOB | OF_TASK), kind


@pytest.mark.parametrize("kind", VENDORS)
def test_settings_of_the_job_are_beside_those_of_its_kind(kind: Any) -> None:
    """As the vendor's own object writes them, whatever the kind of the job."""
    vendors = VENDORS[kind](job_timeout_ms=60_000, labels={"team": "x"})
    vendors.max_slots, vendors.reservation = 10, "none"
    resource = vendors.to_api_repr()
    flat = {
        **resource.get(kind, {}),
        **{key: value for key, value in resource.items() if key != kind},
    }
    resource["maxSlots"] = 10  # a number, says Google, and its client sends text
    assert job_configuration(kind, {"ProjectID": "p1", **flat}) == {kind: {}, **resource}


async def test_every_job_setting_reaches_bigquery_at_its_level(emulated: Calls, front: Front) -> None:
    """From our fields and from the vendor's object alike; the body of the call shows it."""
    sent: list[dict[str, Any]] = []

    def look(handler: Any, forward: Any) -> Reply:
        sent.append(json.loads(handler.body)["configuration"])
        reply: Reply = forward()
        return reply

    front.faults.append(Fault(look, method="POST"))
    vendors = bigquery.QueryJobConfig(priority="BATCH", job_timeout_ms=60_000)
    vendors.max_slots, vendors.reservation = 10, "none"
    await emulated.run(emulated.query("SELECT 1", QueryJobConfig=vendors))
    await emulated.run(emulated.query("SELECT 1", priority="BATCH", max_slots=10, reservation="none"))
    for configuration in sent:
        assert (configuration["maxSlots"], configuration["reservation"]) == (10, "none")
        assert configuration["query"]["priority"] == "BATCH"
        assert configuration.keys() <= SCHEMAS["JobConfiguration"]["properties"].keys()
        assert configuration["query"].keys() <= OF_KIND["query"]
    assert sent[0]["jobTimeoutMs"] == "60000"


def test_a_dry_run_is_refused_where_it_is_declared() -> None:
    """`QueryJobConfig(dry_run=True)` runs nothing, so it is no query task."""
    config = BigQueryConfig(ProjectID="p1", QueryJobConfig=bigquery.QueryJobConfig(dry_run=True))
    with pytest.raises(ValueError, match=r"task x: .* use BigQueryDryRunTask"):
        BigQueryTask("x", "SELECT 1", config)


async def test_a_dry_run_in_a_request_starts_nothing(emulated: Calls, front: Front) -> None:
    """Also where another SDK wrote the request."""
    task = Handmade("DROP TABLE iris", {"ProjectID": "p1", "dryRun": True})
    with pytest.raises(InvalidRequestError, match=r"custom\.dryRun: .* use BigQueryDryRunTask"):
        await emulated.create(task)
    assert not front.calls


async def test_an_estimate_may_be_configured_as_a_dry_run(calls: Calls) -> None:
    """There it says what happens anyway."""
    vendors = bigquery.QueryJobConfig(dry_run=True, default_dataset=calls.table("x").rpartition(".")[0])
    config = BigQueryConfig(ProjectID=calls.config.ProjectID, Location=calls.config.Location, QueryJobConfig=vendors)
    estimate = await calls.run(BigQueryDryRunTask("estimate", "SELECT 1 FROM iris", config))
    assert estimate["referenced_tables"] == [calls.table("iris")]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"prioritty": "BATCH"}, r"custom\.prioritty: unknown setting"),
        ({"sourceUris": ["gs://a/b"]}, r"custom\.sourceUris: a setting of load jobs, not of query"),
        ({"jobType": "LOAD"}, r"custom\.jobType: 'LOAD': this task type runs query jobs"),
        ({"load": {}}, r"custom\.load: unknown setting"),
        ({"query": {"priority": "BATCH"}}, r"custom\.query: expected text"),
        ({"maxSlots": "many"}, r"custom\.maxSlots: expected a number from 0, got 'many'"),
        ({"jobTimeoutMs": -1}, r"custom\.jobTimeoutMs: expected a number from 0"),
        ({"reservation": 1}, r"custom\.reservation: expected text, got 1"),
        ({"labels": "x"}, r"custom\.labels: expected labels by key"),
        ({"Location": 1}, r"custom\.Location: expected text"),
        ({"queryParameters": "x"}, r"custom\.queryParameters: expected a list"),
        ({"connectionProperties": "x"}, r"custom\.connectionProperties: expected a list"),
        ({"queryParameters": ["x"]}, r"custom\.queryParameters: expected a list"),
    ],
)
async def test_a_setting_that_is_unknown_or_wrong_is_named(
    emulated: Calls, front: Front, setting: dict[str, Any], said: str
) -> None:
    """Nothing is sent that BigQuery would ignore in silence."""
    with pytest.raises(InvalidRequestError, match=said):
        await emulated.create(Handmade("SELECT 1", {"ProjectID": "p1", **setting}))
    assert not front.calls


async def test_a_job_type_that_says_what_runs_anyway_is_accepted(calls: Calls) -> None:
    """The vendor's objects carry one where they were read from a job."""
    custom = {"ProjectID": calls.config.ProjectID, "Location": calls.config.Location}
    job = await calls.create(Handmade("SELECT 1", {**custom, "jobType": "QUERY", "dryRun": False}))
    assert (await job.end()).phase == Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (
            {"configuration": {"query": {"prioritty": "x"}}},
            "job.configuration.query.prioritty: no such",
        ),
        (
            {"configuration": {"load": {"sourceUris": "x"}}},
            "job.configuration.load.sourceUris: expected",
        ),
        ({"configuration": {"maxSlots": "10"}}, "job.configuration.maxSlots: expected integer"),
        (
            {"configuration": {"jobTimeoutMs": "long"}},
            "job.configuration.jobTimeoutMs: expected a whole number",
        ),
        ({"configuration": {"labels": {"a": 1}}}, "job.configuration.labels.a: expected string"),
        (
            {"configuration": {"load": {"schema": {"fields": [{"typ": "x"}]}}}},
            "job.configuration.load.schema.fields[0].typ: no such member",
        ),
    ],
)
def test_a_job_that_google_does_not_describe_is_seen(job: dict[str, Any], said: str) -> None:
    """Each test that starts a job has it looked at; this is what would be found."""
    (deviation,) = discovery.deviations(job, SCHEMAS["Job"], "job")
    assert deviation.startswith(said)
