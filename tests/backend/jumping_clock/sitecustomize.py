"""A wall clock that jumps: Python imports this at start when its folder is on PYTHONPATH.

Twice a second `time.time` and `time.time_ns` jump by up to a year, back and forth, as when NTP
steps the clock. Monotonic clocks go on, as they do on a real machine.

gRPC keeps the true clock: its C core reads that for deadlines, and its Python part compares the
two. C code that tells the time itself (`datetime.now`) isn't reached either. (libfaketime, which
would reach all of it, makes `time.sleep` fail when the clock is stepped.)
"""

from __future__ import annotations

import time
import types

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # no stubs

JUMPS = (0, 3600, -3600, 365 * 86400, 0, -86400)
"""Offsets in seconds, each valid for half a second."""


def _offset() -> int:
    return JUMPS[int(time.monotonic() * 2) % len(JUMPS)]


_time, _time_ns = time.time, time.time_ns
cygrpc.time = types.SimpleNamespace(**vars(time))
time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 1_000_000_000
