"""Every RPC, over a real socket."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from flyte_connectors import Phase
from flyteidl2.connector import connector_pb2 as pb

from tests.fakes.fake import CONNECTORS
from tests.fakes.job_service import JobService
from tests.service.client import Client, Job, refusal


async def test_a_job_is_created_read_and_deleted(client: Client, jobs: JobService) -> None:
    """The life of a job: its inputs come back as outputs, in their declared types."""
    job = await client.create(inputs={"name": "x", "count": 3}, outputs={"name": str, "count": int})
    resource = await job.get()
    assert resource.phase == Phase.SUCCEEDED
    primitives = {named.name: named.value.scalar.primitive for named in resource.outputs.literals}
    assert primitives["name"].string_value == "x"
    assert primitives["count"].integer == 3
    await job.delete()
    assert jobs.calls("delete") == jobs.jobs


async def test_plain_functions_serve_like_coroutines(client: Client, jobs: JobService) -> None:
    """A plain `def create` returns its job, instead of failing after the job has begun."""
    job = await client.create("fake_plain", inputs={"n": 1}, outputs={"n": int})
    assert (await job.get()).phase == Phase.SUCCEEDED
    await job.delete()
    assert len(jobs.jobs) == 1


async def test_a_sync_connector_answers_through_create_and_get(client: Client) -> None:
    """The finished result travels in the meta, and deleting it is success."""
    job = await client.create("fake_sync", inputs={"n": 1}, outputs={"n": int})
    resource = await job.get()
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals[0].value.scalar.primitive.integer == 1
    await job.delete()


async def test_the_same_attempt_is_the_same_job(client: Client, jobs: JobService) -> None:
    """A replayed create, and ten at the same instant, give one job; a retry gives another."""
    created = await asyncio.gather(*(client.create(run="again") for _ in range(10)))
    replayed = await client.create(run="again")
    assert {job.meta for job in created} == {replayed.meta}
    assert len(jobs.jobs) == 1
    await client.create(run="again", attempt=1)
    assert len(jobs.jobs) == 2


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.UNDEFINED])
async def test_every_phase_is_reported_as_it_is(client: Client, phase: Phase) -> None:
    """With its message and details."""
    job = await client.create(custom={"phase": phase.name, "message": "why", "custom_info": {"progress": 0.5}})
    resource = await job.get()
    assert (resource.phase, resource.message) == (phase, "why")
    assert resource.custom_info["progress"] == 0.5


@pytest.mark.parametrize("phase", ["UNDEFINED", "nonsense"])
async def test_a_phase_that_is_none_is_never_sent(client: Client, strict_client: Client, phase: str) -> None:
    """The back end takes UNDEFINED for a fault of the system: RUNNING is sent, or an error."""
    job = await client.create(custom={"phase": phase})
    assert (await job.get()).phase == Phase.RUNNING
    code, text = await refusal(Job(strict_client, job.meta, job.category).get())
    assert code == "INTERNAL"
    assert "fake_job" in text


async def test_a_connector_learns_where_the_outputs_go(client: Client, jobs: JobService) -> None:
    """`output_prefix` reaches create and get."""
    job = await client.create()
    await job.get(output_prefix="s3://bucket/run/a0")
    stored = jobs.job(jobs.jobs[0])
    assert stored["output_prefix"] == "file:///nowhere/a0"
    assert stored["prefix_of_get"] == "s3://bucket/run/a0"


async def test_outputs_take_their_declared_types(client: Client) -> None:
    """`3` for a declared float is a float, and a list is a collection, not a pickle."""
    job = await client.create(
        custom={"outputs": {"ratio": 3, "items": [1, 2]}},
        outputs={"ratio": float, "items": list[int]},
    )
    values = {named.name: named.value for named in (await job.get()).outputs.literals}
    assert values["ratio"].scalar.primitive.float_value == 3.0
    assert [item.scalar.primitive.integer for item in values["items"].collection.literals] == [1, 2]


@pytest.mark.parametrize(
    ("outputs", "field"),
    [({"n": "three"}, "outputs.n"), ({}, "outputs.n"), ({"n": 3, "m": 4}, "outputs.m")],
)
async def test_outputs_that_do_not_fit_fail_the_task(client: Client, outputs: dict[str, object], field: str) -> None:
    """With the field named; an error would be polled for ever."""
    job = await client.create(custom={"outputs": outputs}, outputs={"n": int})
    resource = await job.get()
    assert resource.phase == Phase.FAILED
    assert field in resource.message


async def test_metrics_know_what_was_asked(client: Client) -> None:
    """Queries, range and step reach the connector."""
    job = await client.create()
    start = datetime(2026, 1, 2, tzinfo=timezone.utc)
    request = {"queries": ["cpu", "memory"], "start_time": start, "step": timedelta(seconds=30)}
    response = await job.metrics(**request)
    assert [result.metric for result in response.results] == ["cpu", "memory"]
    assert dict(response.results[0].data) == {"start": start.isoformat(), "step": 30.0}


async def test_connectors_are_listed_with_what_they_serve(client: Client) -> None:
    """ListConnectors and GetConnector give the same."""
    listed = (await client.metadata.ListConnectors(pb.ListConnectorsRequest())).connectors
    served = {entry.name: entry.supported_task_categories[0] for entry in listed}
    assert {name: (entry.name, entry.version) for name, entry in served.items()} == {
        cls.name: (cls.task_type_name, cls.task_type_version) for cls in CONNECTORS
    }
    one = await client.metadata.GetConnector(pb.GetConnectorRequest(name="Bare Connector"))
    assert one.connector in listed


async def test_an_unknown_connector_is_not_found(client: Client) -> None:
    """And those that are known are listed."""
    call = client.metadata.GetConnector(pb.GetConnectorRequest(name="nobody"))
    code, text = await refusal(call)
    assert code == "NOT_FOUND"
    assert "'nobody'" in text
    assert "Bare Connector" in text


async def test_a_job_that_is_gone_is_deleted(client: Client, jobs: JobService) -> None:
    """Not found is success, however often; otherwise the action could never be removed."""
    job = await client.create()
    jobs.forget(jobs.jobs[0])
    await job.delete()
    await job.delete()
    assert len(jobs.calls("deleted")) == 2


async def test_another_release_reads_the_meta(client: Client) -> None:
    """Unknown fields are ignored and missing ones take defaults, also in bare bytes."""
    job = await client.create(run="old")
    key = b'{"key": "' + (await _key(job.meta)) + b'", "from_the_future": 1}'
    job.meta = key
    assert (await job.get()).phase == Phase.SUCCEEDED


async def _key(meta: bytes) -> bytes:
    return meta.partition(b'"key":"')[2].partition(b'"')[0]
