"""How the cost of a call grows: with inputs, connectors, calls at a time, and jobs.

CPU time of our service per call, for several values of one of these; the others are as in `cpu_per_request`.
The values are measured in turns, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import contextlib
import itertools
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.contender import ENVIRONMENT
from benchmarks.http2_load import connect
from benchmarks.payloads import SERVICE, create_request, get_request, metas_of
from benchmarks.server_process import ServerProcess, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contender import Contender

INPUTS = (3, 10, 30, 100, 300)
CONNECTORS = (2, 10, 100, 1000)
AT_A_TIME = (1, 4, 16, 64, 256)
JOBS = (1, 100, 10_000)
CALLS = 1000
IN_FLIGHT = 16
CONNECTORS_VARIABLE = "BENCHMARK_CONNECTORS"
"""How many connectors `servers/connector_ours.py` registers besides its own."""

Curve = dict[int, float]
"""Microseconds of CPU time per call, by what grows."""


def curves(contender: Contender, *, turns: int) -> dict[str, Curve]:
    """The curves by their names."""
    with serve(contender) as server:
        metas = metas_of(server.address, "running", max(JOBS))
        gets = [get_request(meta).SerializeToString() for meta in metas]
        creates = {number: [_create(n, number) for n in range(CALLS)] for number in INPUTS}
        by_jobs = {
            number: list(itertools.islice(itertools.cycle(gets[-number:]), max(CALLS, number))) for number in JOBS
        }
        found = {
            "CreateTask, by inputs": _curve("CreateTask", dict.fromkeys(INPUTS, server), creates, turns),
            "GetTask, by jobs": _curve("GetTask", dict.fromkeys(JOBS, server), by_jobs, turns),
            "GetTask, by calls at a time": _curve(
                "GetTask",
                dict.fromkeys(AT_A_TIME, server),
                dict.fromkeys(AT_A_TIME, gets[:CALLS]),
                turns,
                in_flight={number: number for number in AT_A_TIME},
            ),
        }
    with contextlib.ExitStack() as stack:
        servers = {}
        for number in CONNECTORS:
            ENVIRONMENT[CONNECTORS_VARIABLE] = str(number - 2)
            servers[number] = stack.enter_context(serve(contender))
        del ENVIRONMENT[CONNECTORS_VARIABLE]
        requests = dict.fromkeys(CONNECTORS, gets[:CALLS])
        found["GetTask, by connectors"] = _curve("GetTask", servers, requests, turns)
    return found


def _create(number: int, inputs: int) -> bytes:
    request = create_request("running", run=f"r{number}", more_inputs=inputs - 3)
    data: bytes = request.SerializeToString()
    return data


def _curve(
    method: str,
    servers: dict[int, ServerProcess],
    requests: dict[int, Sequence[bytes]],
    turns: int,
    in_flight: dict[int, int] | None = None,
) -> Curve:
    samples: dict[int, list[float]] = {value: [] for value in servers}
    for _ in range(turns + 1):  # the first is a warm-up
        for value, server in servers.items():
            at_a_time = in_flight[value] if in_flight else IN_FLIGHT
            with connect(server.address, f"{SERVICE}/{method}") as connection:
                before = server.cpu_seconds()
                replies = connection.exchange(requests[value], in_flight=at_a_time)
                used = server.cpu_seconds() - before
            assert all(replies), method
            samples[value].append(used / len(replies) * 1e6)
    return {value: median(found[1:]) for value, found in samples.items()}
