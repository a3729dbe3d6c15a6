"""What the polls of many jobs in one process cost, and how late they come.

Shared by the three local programs: their jobs call `poll` and do nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from array import array
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BUCKETS_PER_SECOND = 10_000
BUCKETS = 20 * BUCKETS_PER_SECOND
"""Lateness is counted to 0.1 ms, up to 20 s."""

STARTED_TOGETHER = 10
START_SECONDS = 60.0


class Polls:
    """The record of the polls of `jobs` jobs, numbered from 0, each due every `interval` seconds.

    Attributes:
        is_over: Set when enough has been seen; the jobs then report that they are done.
    """

    def __init__(self, jobs: int, interval: float) -> None:
        self.is_over = False
        self._jobs = jobs
        self._interval = interval
        self._last = array("d", bytes(8 * jobs))
        self._late = array("q", bytes(8 * BUCKETS))
        self._polls = self._started = 0
        self._all_started = asyncio.Event()
        self._memory_before = _resident_bytes()

    async def starting(self) -> AsyncIterator[int]:
        """The numbers of the jobs, so that they start evenly over an interval.

        What cannot start them that fast does so as fast as it can, until `is_over`.
        """
        start = time.monotonic()
        for job in range(self._jobs):
            if job % STARTED_TOGETHER == 0:
                await asyncio.sleep(start + self._interval * job / self._jobs - time.monotonic())
            if self.is_over:
                return
            yield job

    def poll(self, job: int) -> None:
        """A job has been polled."""
        now, last = time.monotonic(), self._last[job]
        self._last[job] = now
        self._polls += 1
        if last:
            late = int((now - last - self._interval) * BUCKETS_PER_SECOND)
            self._late[min(max(late, 0), BUCKETS - 1)] += 1
        else:
            self._started += 1
            if self._started == self._jobs:
                self._all_started.set()

    async def observe(self, seconds: float) -> None:
        """Wait until all jobs have been polled once and settled, watch, print the result as JSON.

        Jobs that keep a process too busy to start more of them are watched as many as they are.

        Args:
            seconds: How long to watch.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_started.wait(), START_SECONDS)
        await asyncio.sleep(self._interval)
        self._late = array("q", bytes(8 * BUCKETS))
        cpu, polls = time.process_time(), self._polls
        await asyncio.sleep(seconds)
        cpu, polls = time.process_time() - cpu, self._polls - polls
        memory = _resident_bytes() - self._memory_before
        self.is_over = True
        found = {
            "jobs": self._started,
            "bytes_per_job": memory / self._started,
            "cpu_seconds_per_poll": cpu / polls,
            "seconds_late_p99": self._late_p99(),
        }
        print(json.dumps(found), flush=True)

    def _late_p99(self) -> float:
        counts = list(accumulate(self._late))
        bucket = next(at for at, count in enumerate(counts) if count >= 0.99 * counts[-1])
        return bucket / BUCKETS_PER_SECOND


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
