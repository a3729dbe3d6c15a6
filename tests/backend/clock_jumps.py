"""A wall clock that jumps: loaded into a service as one more module.

Twice a second `time.time` and `time.time_ns` jump by up to a year, back and forth, as after a resumed
suspend or a stepped NTP correction. Monotonic clocks go on, as they do on a real machine. Clocks that C
code reads (`datetime.now`, gRPC's own) are not reached.
"""

from __future__ import annotations

import time

JUMPS = (0, 3600, -3600, 365 * 86400, 0, -86400)
"""Offsets in seconds, each valid for half a second."""


def _offset() -> int:
    return JUMPS[int(time.monotonic() * 2) % len(JUMPS)]


_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 1_000_000_000
