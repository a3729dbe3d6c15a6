"""Requests that no back end would send, as a port scanner or a broken client does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import grpc
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    GetTaskRequest,
    TaskCategory,
)
from flyteidl2.core.tasks_pb2 import TaskTemplate

ASYNC = "/flyteidl2.connector.AsyncConnectorService/"
METHODS = (
    f"{ASYNC}CreateTask",
    f"{ASYNC}GetTask",
    f"{ASYNC}DeleteTask",
    f"{ASYNC}GetTaskLogs",
    f"{ASYNC}NoSuchMethod",
    "/flyteidl2.connector.ConnectorMetadataService/GetConnector",
    "/grpc.health.v1.Health/Check",
)


async def send_junk(channel: grpc.aio.Channel, count: int, seed: int, *, at_a_time: int = 50) -> Counter[str]:
    """Send `count` junk requests; how often each status code came back."""
    draw = random.Random(seed)
    requests = iter([_request(draw) for _ in range(count)])
    codes: Counter[str] = Counter()

    async def send() -> None:
        for method, payload in requests:
            codes[await _code(channel, method, payload)] += 1

    await asyncio.gather(*(send() for _ in range(at_a_time)))
    return codes


async def _code(channel: grpc.aio.Channel, method: str, payload: bytes) -> str:
    try:
        # No serializers: the payload is the message.
        await channel.unary_unary(method)(payload, timeout=10)
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    return "OK"


def _request(draw: random.Random) -> tuple[str, bytes]:
    """A method and random bytes for it, or a message with a random task type or meta."""
    noise = draw.randbytes(draw.randrange(200))
    unknown = TaskCategory(name=f"junk-{draw.randrange(10**9)}", version=draw.randrange(100))
    known = TaskCategory(name="vendor_job")
    kind = draw.randrange(5)
    if kind == 0:
        return METHODS[0], CreateTaskRequest(template=TaskTemplate(type=unknown.name)).SerializeToString()
    if kind == 1:
        request = GetTaskRequest(task_category=unknown, resource_meta=noise)
        return METHODS[1], request.SerializeToString()
    if kind == 2:
        request = GetTaskRequest(task_category=known, resource_meta=noise)
        return METHODS[1], request.SerializeToString()
    if kind == 3:
        return METHODS[2], DeleteTaskRequest(task_category=unknown, resource_meta=noise).SerializeToString()
    return draw.choice(METHODS), noise
