"""What is counted about calls, as plain numbers; `flyte_connectors.service.exposition` publishes it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds of the latency buckets, in seconds."""


class CallSeries:
    """Calls of one verb of one connector: how many are running, how they ended, how long they took.

    Attributes:
        in_flight: Calls that are running now.
        by_code: Finished calls by gRPC status code name.
        seconds_sum: Total duration of finished calls, in seconds.
        buckets: Finished calls by duration; one more than `SECONDS_BOUNDS`, not cumulative.
    """

    __slots__ = ("buckets", "by_code", "in_flight", "seconds_sum")

    def __init__(self) -> None:
        self.in_flight = 0
        self.by_code: Counter[str] = Counter()
        self.seconds_sum = 0.0
        self.buckets = [0] * (len(SECONDS_BOUNDS) + 1)

    def observe(self, code: str, seconds: float) -> None:
        """Count one finished call."""
        self.by_code[code] += 1
        self.seconds_sum += seconds
        self.buckets[bisect_left(SECONDS_BOUNDS, seconds)] += 1
