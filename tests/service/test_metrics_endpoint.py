"""The HTTP side: metrics that Prometheus reads, and the two probes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import grpc
import pytest
from flyte_connectors.service.server import ConnectorService
from flyteidl2.connector import connector_pb2 as pb
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.fake import CONNECTORS
from tests.fakes.job_service import JobService, until
from tests.service.client import Client, refusal
from tests.service.hosting import hosting
from tests.service.http import fetch


def metrics_address(service: ConnectorService) -> str:
    """Host and port of the HTTP side."""
    return f"127.0.0.1:{service.metrics_port}"


class Side(NamedTuple):
    """A client, and the address of the HTTP side."""

    client: Client
    address: str


@pytest.fixture
async def side(jobs: JobService) -> AsyncIterator[Side]:
    """A service with its HTTP side."""
    async with hosting() as service, Client(service.address) as client:
        yield Side(client, metrics_address(service))


LABELS = ("task_type", "version", "verb", "code", "le", "status")


async def samples(address: str) -> dict[tuple[str, ...], float]:
    """Values by name and label values, as Prometheus parses them."""
    answer = await fetch(address, "/metrics")
    assert answer.status == 200
    assert answer.content_type.startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[key] for key in LABELS if key in sample.labels)): sample.value
        for family in text_string_to_metric_families(answer.body)
        for sample in family.samples
    }


CALLS = "flyte_connectors_calls_total"


async def test_calls_are_counted_by_verb_and_code(side: Side) -> None:
    """Logs and metrics calls as well as failed ones."""
    job = await side.client.create(custom={"log": ["one"], "phase": "RUNNING"})
    for verb in ("get", "get", "get_logs", "get_metrics", "delete"):
        await job.call(verb)
    failing = {"fail": {"create": {"error": "PermissionDeniedError", "text": "not you"}}}
    await refusal(side.client.create(run="other", custom=failing))
    seen = await samples(side.address)
    got = {key[3:]: value for key, value in seen.items() if key[:3] == (CALLS, "fake_job", "0")}
    assert got == {
        ("create", "OK"): 1,
        ("create", "PERMISSION_DENIED"): 1,
        ("get", "OK"): 2,
        ("get_logs", "OK"): 1,
        ("get_metrics", "OK"): 1,
        ("delete", "OK"): 1,
    }
    count = seen["flyte_connectors_call_seconds_count", "fake_job", "0", "get"]
    assert count == seen["flyte_connectors_call_seconds_bucket", "fake_job", "0", "get", "+Inf"] == 2
    assert seen["flyte_connectors_call_seconds_sum", "fake_job", "0", "get"] > 0


async def test_calls_in_flight_and_cancelled_ones_are_counted(side: Side, jobs: JobService) -> None:
    """A get that its caller gives up."""
    in_flight = ("flyte_connectors_calls_in_flight", "fake_job", "0", "get")
    job = await side.client.create(custom={"hold": ["get"]})
    request = pb.GetTaskRequest(resource_meta=job.meta, task_category=job.category)
    call = side.client.jobs.GetTask(request)
    await until(lambda: jobs.calls("get"), "the get to begin")
    assert (await samples(side.address))[in_flight] == 1
    call.cancel()
    await until(call.done, "the cancellation")
    cancelled = (CALLS, "fake_job", "0", "get", "CANCELLED")
    for _ in range(100):
        seen = await samples(side.address)
        if seen.get(cancelled):
            break
        await asyncio.sleep(0.01)
    assert (seen[cancelled], seen[in_flight]) == (1, 0)


async def test_junk_requests_make_no_series(side: Side) -> None:
    """Labels come from what is installed, never from a caller."""
    before = set(await samples(side.address))
    for number in range(200):
        with pytest.raises(grpc.aio.AioRpcError):
            await side.client.create(f"junk-{number}", version=number)
        raw = side.client.channel.unary_unary(f"/junk.Service/Method{number}")
        with pytest.raises(grpc.aio.AioRpcError):
            await raw(b"junk")
    after = set(await samples(side.address))
    assert after == before
    served = {connector.task_type_name for connector in CONNECTORS}
    assert {key[1] for key in after if len(key) > 2} == served


async def test_probes_follow_the_life_of_the_service(jobs: JobService) -> None:
    """/healthz answers while the process lives, /readyz while it takes calls."""
    async with hosting(grace=0.5) as service, Client(service.address) as client:
        address = metrics_address(service)
        assert (await fetch(address, "/healthz")).status == 200
        assert (await fetch(address, "/readyz")).status == 200
        creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
        await until(lambda: jobs.calls("create"), "the create to begin")
        ending = asyncio.ensure_future(service.stop())
        await asyncio.sleep(0)
        assert (await fetch(address, "/readyz")).status == 503
        assert (await fetch(address, "/healthz")).status == 200
        jobs.release()
        await creating
        await ending


async def test_a_service_without_connectors_is_not_ready() -> None:
    """It is alive, and can do nothing."""
    async with hosting(connectors=[]) as service:
        assert (await fetch(metrics_address(service), "/readyz")).status == 503
        assert (await fetch(metrics_address(service), "/healthz")).status == 200


async def test_other_paths_are_not_found(side: Side) -> None:
    """With a word on which there are."""
    answer = await fetch(side.address, "/secret")
    assert answer.status == 404
    assert "/metrics" in answer.body
