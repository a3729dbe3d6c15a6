"""Health follows what was loaded and where the service is in its life; reflection tells its API."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from flyte_connectors._registry.discovery import PluginReport, Status
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.fakes.fake import CONNECTORS
from tests.fakes.job_service import JobService
from tests.service.client import Client
from tests.service.hosting import hosting

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ADAPTER_SERVICES = [
    "flyteidl2.connector.AsyncConnectorService",
    "flyteidl2.connector.ConnectorMetadataService",
]
FAILED = PluginReport("bad", "bad-plugin", "1.0", Status.FAILED, "it broke")
BLOCKED = PluginReport("off", "off-plugin", "1.0", Status.BLOCKED, "denied")


@pytest.mark.parametrize("service", ["", *ADAPTER_SERVICES])
async def test_the_service_is_serving(client: Client, service: str) -> None:
    """As a whole and by the names of its services."""
    assert await client.status(service) == SERVING


async def test_each_connector_has_its_health(client: Client) -> None:
    """By its task type."""
    for connector in CONNECTORS:
        assert await client.status(f"connector/{connector.task_type_name}") == SERVING


async def test_a_plugin_that_failed_to_load_is_not_serving(jobs: JobService) -> None:
    """A broken plugin is more than a warning; one that the operator blocked is not a failure."""
    async with hosting(reports=[FAILED, BLOCKED]) as service, Client(service.address) as client:
        assert await client.status("plugin/bad") == NOT_SERVING
        assert await is_unknown(client, "plugin/off")
        assert await client.status() == SERVING


async def test_a_service_that_hosts_nothing_is_not_serving() -> None:
    """It can do nothing."""
    async with hosting(connectors=[]) as service, Client(service.address) as client:
        assert await client.status() == NOT_SERVING


async def test_unknown_services_have_no_health(client: Client) -> None:
    """NOT_FOUND, as grpc.health.v1 wants it."""
    assert await is_unknown(client, "connector/nothing")


async def is_unknown(client: Client, service: str) -> bool:
    """Whether a check of `service` ends with NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.status(service)
    return bool(raised.value.code() is grpc.StatusCode.NOT_FOUND)


async def test_many_watchers_starve_nobody(client: Client) -> None:
    """200 watches stay open while Check and a create are answered."""
    request = health_pb2.HealthCheckRequest()
    watches = [client.health.Watch(request) for _ in range(200)]
    states = await asyncio.gather(*(watch.read() for watch in watches))
    assert {state.status for state in states} == {SERVING}
    for _ in range(20):
        assert await asyncio.wait_for(client.status(), 2) == SERVING
    await asyncio.wait_for(client.create(), 5)
    for watch in watches:
        watch.cancel()


async def test_watchers_learn_of_the_end(jobs: JobService) -> None:
    """NOT_SERVING comes before the connection goes, so that load balancers turn away in time."""
    async with hosting(grace=1.0) as service, Client(service.address) as client:
        watch = client.health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        ending = asyncio.ensure_future(service.stop())
        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        watch.cancel()
        await ending


async def test_reflection_lists_the_services(client: Client) -> None:
    """With their descriptors, so that grpcurl works without any proto file."""
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=ADAPTER_SERVICES[0]),
    ]
    listed, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert names == {
        *ADAPTER_SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert file.file_descriptor_response.file_descriptor_proto


async def test_a_stopped_service_is_away(jobs: JobService) -> None:
    """New calls are refused with UNAVAILABLE, which clients retry elsewhere."""
    async with hosting() as service:
        address = service.address
    async with Client(address) as client:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.create()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
