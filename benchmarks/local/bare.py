"""The limit of polling: one coroutine and a heap of deadlines.

python bare.py poll JOBS INTERVAL SECONDS
"""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
from dataclasses import dataclass

from polls import Polls

POLLS_PER_TURN = 100
"""Polls between two turns of the event loop."""


@dataclass
class Job:
    """What identifies a job."""

    job_id: int


async def poll(jobs: int, interval: float, seconds: float) -> None:
    """Poll `jobs` jobs every `interval` seconds, watch for `seconds`."""
    polls = Polls(jobs, interval)
    heap: list[tuple[float, int, Job]] = []

    async def get(job: Job) -> None:
        polls.poll(job.job_id)

    async def start() -> None:
        async for job_id in polls.starting():
            job = Job(job_id)
            await get(job)
            heapq.heappush(heap, (time.monotonic() + interval, job_id, job))

    async def keep_polling() -> None:
        while not polls.is_over:
            await asyncio.sleep(max(0.0, heap[0][0] - time.monotonic()) if heap else 0.001)
            for _ in range(POLLS_PER_TURN):
                now = time.monotonic()
                if not heap or heap[0][0] > now:
                    break
                _, job_id, job = heap[0]
                await get(job)
                heapq.heapreplace(heap, (now + interval, job_id, job))

    await asyncio.gather(start(), keep_polling(), polls.observe(seconds))


if __name__ == "__main__":
    _, jobs, interval, seconds = sys.argv[1:]
    asyncio.run(poll(int(jobs), float(interval), float(seconds)))
