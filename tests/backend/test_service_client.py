"""The model's connection behaves like the back end's."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import grpc
import pytest
from flyteidl2.connector.connector_pb2 import GetTaskRequest, Resource

from .conftest import FAST, ScriptedService, read
from .service_client import ServiceClient

if TYPE_CHECKING:
    from .task import Task


def test_consecutive_calls_meet_different_replicas() -> None:
    """Round robin, so a connector can't remember anything between two calls."""
    replicas = [ScriptedService(), ScriptedService()]

    async def play() -> None:
        async with (
            replicas[0].address() as one,
            replicas[1].address() as two,
            ServiceClient([one, two], FAST, "canary") as client,
        ):
            await asyncio.wait_for(_until_both_answer(client), 10)
            for replica in replicas:
                replica.requests.clear()
            for _ in range(10):
                await client.call("GetTask", GetTaskRequest())

    async def _until_both_answer(client: ServiceClient) -> None:
        while not all(replica.requests for replica in replicas):
            await client.call("GetTask", GetTaskRequest())

    asyncio.run(play())
    assert [len(replica.requests) for replica in replicas] == [5, 5]


def test_replies_above_4_mb_are_refused(service: ScriptedService, task: Task) -> None:
    """The back end's receive limit."""
    service.reads = [read(2, message="x" * (4 * 1024 * 1024 + 1))]  # type: ignore[assignment]

    async def play() -> None:
        async with service.client() as client:
            await client.call("GetTask", task.get_request())

    with pytest.raises(grpc.aio.AioRpcError) as error:
        asyncio.run(play())
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_missing_list_connectors_is_tolerated(service: ScriptedService) -> None:
    """UNIMPLEMENTED is the one code that the back end looks at."""

    async def play() -> set[str]:
        async with service.client() as client:
            return await client.task_types()

    assert asyncio.run(play()) == set()


def test_the_canary_is_seen_in_replies(service: ScriptedService, task: Task) -> None:
    """A reply that carries the secret counts as a leak."""
    service.reads = [read(2, message="with canary")]  # type: ignore[assignment]

    async def play() -> ServiceClient:
        async with service.client() as client:
            await client.call("GetTask", task.get_request())
            return client

    assert asyncio.run(play()).leaks == {"GetTask reply": 1}


def test_inputs_arrive_in_any_order(task: Task) -> None:
    """As from a Go map."""
    orders = {
        tuple(named.name for named in task.create_request(random.Random(seed)).inputs.literals) for seed in range(10)
    }
    assert orders == {("name", "value"), ("value", "name")}


def test_the_request_of_get_carries_no_interface(task: Task) -> None:
    """Only these four fields exist, so nothing else can reach a connector."""
    assert [field.name for field in task.get_request().DESCRIPTOR.fields] == [
        "resource_meta",
        "task_category",
        "output_prefix",
        "connection",
    ]
    assert isinstance(read(2).resource, Resource)
