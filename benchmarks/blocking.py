"""Latency of one connector's GetTask while another connector blocks in its `async def create`.

GetTask is called at a fixed rate, whether or not earlier calls have been answered; with nothing
blocking before, between and after. The blocking connector is called twice before anything is timed,
since a service can only isolate what it has seen block. The bare server takes the blocking call to
a thread, as its author knows that it blocks.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from statistics import quantiles
from typing import TYPE_CHECKING

import grpc.aio
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub

from benchmarks.payloads import (
    BLOCKING_TASK_TYPE,
    TIMEOUT_SECONDS,
    create_request,
    get_request,
)
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another
from benchmarks.server_process import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.contender import Contender

ALONE = "p99 GetTask, nothing blocks"
CREATES_PER_SECOND = (4, 20)
GETS_PER_SECOND = 100


def _beside(rate: int) -> str:
    return f"p99 GetTask, {rate} blocking creates/s"


def _times_alone(rate: int) -> str:
    return f"{_beside(rate)}, times alone"


TARGETS = (
    Target(ALONE, "ms"),
    *(
        target
        for rate in CREATES_PER_SECOND
        for target in (
            Target(_beside(rate), "ms"),
            Target(_times_alone(rate), "x", 1.5),
        )
    ),
)


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Milliseconds and quotients, by the names of `TARGETS`."""
    seconds = 2 if quick else 5
    with serve(contender) as server:
        return asyncio.run(_measure(server.target, seconds))


async def _measure(target: str, seconds: int) -> Found:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = AsyncConnectorServiceStub(channel)
        created = await stub.CreateTask(create_request("running"), timeout=TIMEOUT_SECONDS)
        poll = get_request(created.resource_meta)
        block = create_request("running", BLOCKING_TASK_TYPE)

        async def get() -> None:
            await stub.GetTask(poll, timeout=10 * seconds)

        async def create() -> None:
            await stub.CreateTask(block, timeout=10 * seconds)

        await _latencies(get, GETS_PER_SECOND, 1)
        for _ in range(2):
            await create()
        alone = await _latencies(get, GETS_PER_SECOND, seconds)
        beside = {}
        for rate in CREATES_PER_SECOND:
            creating = asyncio.ensure_future(_latencies(create, rate, seconds))
            beside[rate] = _p99(await _latencies(get, GETS_PER_SECOND, seconds))
            await creating
            alone += await _latencies(get, GETS_PER_SECOND, seconds)
        found = {ALONE: _p99(alone)}
        for rate, latency in beside.items():
            found |= {_beside(rate): latency, _times_alone(rate): latency / _p99(alone)}
        return found


async def _latencies(call: Callable[[], Awaitable[None]], per_second: int, seconds: int) -> list[float]:
    """Milliseconds that each call took, in an open loop of `per_second` calls."""

    async def timed(due: float) -> float:
        await asyncio.sleep(due - time.perf_counter())
        started = time.perf_counter()
        await call()
        return (time.perf_counter() - started) * 1e3

    start = time.perf_counter()
    due = itertools.islice(itertools.count(start, 1 / per_second), per_second * seconds)
    return await asyncio.gather(*map(timed, due))


def _p99(milliseconds: list[float]) -> float:
    return quantiles(milliseconds, n=100)[-1]
