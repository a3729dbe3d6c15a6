"""What happens around the tasks while they run. Each runs until it is cancelled or done."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    GetTaskRequest,
    TaskCategory,
)
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub
from flyteidl2.core.tasks_pb2 import TaskTemplate
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from .junk import send_junk
from .rush import Rush

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .replicas import Replica
    from .stage import Stage

WATCHES = 200
JUNK = 10_000
TERMINATIONS = 20


async def nothing(_: Stage) -> None:
    """All is quiet."""


async def kill(stage: Stage) -> None:
    """SIGKILL one replica after the other, a while after the last one is back."""
    await _end_again_and_again(stage, "kills", lambda replica: replica.kill())


async def terminate(stage: Stage) -> None:
    """SIGTERM one replica after the other, and start it again when it has drained."""
    await _end_again_and_again(stage, "terminations", lambda replica: replica.terminate())


async def _end_again_and_again(stage: Stage, what: str, end: Callable[[Replica], Awaitable[None]]) -> None:
    """End replicas in turn, each a second after the last one is back."""
    for replica in itertools.cycle(stage.replicas):
        await asyncio.sleep(1)
        stage.notes[what] += 1
        await end(replica)
        await replica.start()


async def terminate_in_a_rush(stage: Stage) -> None:
    """The same, twenty times, while callers of every replica never pause."""
    rushes = [Rush(replica.address, pollers=20, creators=3) for replica in stage.replicas]
    async with AsyncExitStack() as callers:
        for rush in rushes:
            await callers.enter_async_context(rush.running())
        for _, replica in zip(range(TERMINATIONS), itertools.cycle(stage.replicas), strict=False):
            await asyncio.sleep(0.5)
            stage.notes["terminations"] += 1
            await replica.terminate()
            await replica.start()
    for rush in rushes:
        for (_, code), count in rush.codes.items():
            stage.notes[f"rush {code}"] += count


async def crash(stage: Stage) -> None:
    """Crash the executor every second; the next one replays what was not written down."""
    while True:
        await asyncio.sleep(1)
        stage.executor.crash()


async def watch_health(stage: Stage) -> None:
    """Hold 200 health watches open on every replica, and measure `Check` beside them."""
    await asyncio.gather(*(_watch_replica(stage, replica.address) for replica in stage.replicas))


async def junk(stage: Stage) -> None:
    """Send 10,000 junk requests."""
    codes = await send_junk(stage.client.channel, JUNK, stage.seed)
    stage.notes.update({f"junk {code}": count for code, count in codes.items()})


async def call_blocker(stage: Stage) -> None:
    """Twenty creates a second of the connector that blocks its loop."""
    await _call_neighbour(stage, "CreateTask", "blocker")


async def call_leaker(stage: Stage) -> None:
    """Twenty reads a second of the connector that leaks tasks."""
    await _call_neighbour(stage, "GetTask", "leaker")


async def call_hogs(stage: Stage) -> None:
    """A hundred creates a second of the connectors that keep threads: more than any queue holds."""
    await asyncio.gather(
        _call_neighbour(stage, "CreateTask", "hog", per_second=50),
        _call_neighbour(stage, "CreateTask", "plain_hog", per_second=50),
    )


async def fill_disk(stage: Stage) -> None:
    """From now on no replica can write to any file."""
    for replica in stage.replicas:
        replica.fill_disk()


async def _watch_replica(stage: Stage, address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        health = HealthStub(channel)
        watches = [health.Watch(HealthCheckRequest()) for _ in range(WATCHES)]
        reading = [asyncio.ensure_future(_first(watch)) for watch in watches]
        answered, _ = await asyncio.wait(reading, timeout=10)
        stage.notes["watches unanswered"] += len(reading) - len(answered)
        while True:
            await asyncio.sleep(0.5)
            began = time.perf_counter()
            stage.notes["health checks"] += 1
            try:
                await health.Check(HealthCheckRequest(), timeout=2)
            except grpc.aio.AioRpcError:
                stage.notes["health checks failed"] += 1
            slowest = round(1000 * (time.perf_counter() - began))
            stage.notes["slowest check ms"] = max(slowest, stage.notes["slowest check ms"])


async def _first(watch: Any) -> None:
    async for _ in watch:
        return


async def _call_neighbour(stage: Stage, method: str, task_type: str, *, per_second: float = 20) -> None:
    """Call a neighbour at a steady pace, whatever becomes of the calls."""
    verb = getattr(AsyncConnectorServiceStub(stage.client.channel), method)
    calls: set[asyncio.Task[None]] = set()
    try:
        while True:
            call = asyncio.create_task(_call(stage, verb, _neighbour_request(method, task_type)))
            calls.add(call)
            call.add_done_callback(calls.discard)
            await asyncio.sleep(1 / per_second)
    finally:
        for call in calls:
            call.cancel()


def _neighbour_request(method: str, task_type: str) -> Any:
    if method == "CreateTask":
        return CreateTaskRequest(template=TaskTemplate(type=task_type))
    return GetTaskRequest(task_category=TaskCategory(name=task_type), resource_meta=b'{"id": "nothing"}')


async def _call(stage: Stage, verb: Any, request: Any) -> None:
    try:
        await verb(request, timeout=stage.client.timings.deadline)
        code = "OK"
    except grpc.aio.AioRpcError as error:
        code = error.code().name
    stage.notes[f"neighbour {code}"] += 1
