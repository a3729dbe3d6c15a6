"""`python -m tests.attack.innocent_poller ADDRESS`: polls a job until its standard input ends.

Prints JSON: `polls`, `failed`, and the latencies `p50_ms`, `p99_ms` and `slowest_ms`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import grpc

from tests.backend.report import percentile
from tests.service.client import Client

PERIOD_SECONDS = 0.02


async def poll(address: str) -> dict[str, float]:
    """What polling felt like."""
    seconds: list[float] = []
    failed = 0
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    async with Client(address, deadline=10.0) as client:
        job = await client.create("honest", run="innocent")
        while not ended.done():
            began = time.perf_counter()
            try:
                await job.get()
            except grpc.aio.AioRpcError:
                failed += 1
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PERIOD_SECONDS)
    return {
        "polls": len(seconds),
        "failed": failed,
        "p50_ms": round(1000 * percentile(seconds, 0.5), 1),
        "p99_ms": round(1000 * percentile(seconds, 0.99), 1),
        "slowest_ms": round(1000 * max(seconds), 1),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(poll(sys.argv[1]))))
