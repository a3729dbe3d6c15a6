"""CPU time of the service for streaming a job's log lines.

The connectors make the lines as they go, which is part of the time, except where they send the same
batch again; the bare server always does that with batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from flyteidl2.connector.connector_pb2 import (
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    TaskCategory,
)

from benchmarks.payloads import (
    SERVICE,
    TASK_TYPE,
    TIMEOUT_SECONDS,
    WrongAnswerError,
    create_job,
)
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another
from benchmarks.server_process import ServerProcess, serve

if TYPE_CHECKING:
    from benchmarks.contender import Contender

ONE_BY_ONE = "10,000 log lines, one at a time"
BATCHED = "1,000,000 log lines, 1,000 at a time"
SAME = "1,000,000 log lines, the same 1,000 again"
TARGETS = (
    Target(ONE_BY_ONE, "ms", 12, asgi=12),
    Target(BATCHED, "ms", 0.5, against_peer=True, asgi=0.4),
    Target(SAME, "ms"),
)
STREAMS = 10


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Milliseconds of CPU time, by the names of `TARGETS`."""
    streams = 1 if quick else STREAMS
    with serve(contender) as server:
        _stream(server, "lines", 10_000, streams=1)
        return {
            ONE_BY_ONE: _stream(server, "lines", 10_000, streams=streams),
            BATCHED: _stream(server, "batches", 1_000_000, streams=1),
            SAME: _stream(server, "same", 1_000_000, streams=1),
        }


def _stream(server: ServerProcess, state: str, lines: int, *, streams: int) -> float:
    """Read a job's log `streams` times.

    Returns:
        The service's CPU time for one of them, in milliseconds.
    """
    request = GetTaskLogsRequest(
        resource_meta=create_job(server.target, state), task_category=TaskCategory(name=TASK_TYPE)
    ).SerializeToString()
    with grpc.insecure_channel(server.target) as channel:
        # Left serialised while the clock runs, so that the client keeps up with the server.
        call = channel.unary_stream(f"{SERVICE}/GetTaskLogs")
        before = server.cpu_seconds()
        for _ in range(streams):
            messages = list(call(request, timeout=TIMEOUT_SECONDS))
        used = server.cpu_seconds() - before
    received = sum(len(GetTaskLogsResponse.FromString(each).body.lines) for each in messages)
    if received != lines:
        message = f"{received} log lines instead of {lines}"
        raise WrongAnswerError(message)
    return used / streams * 1e3
