"""CPU time of the service (user and system) per unary call, while it is kept busy."""

from __future__ import annotations

from benchmarks.contender import Contender
from benchmarks.http2_load import connect
from benchmarks.payloads import Call, checked_calls
from benchmarks.report import Target
from benchmarks.server_process import ServerProcess, serve

TARGETS = (
    Target("GetTask RUNNING", "µs", 1.08, against_bare=True),
    Target("GetTask SUCCEEDED, 3 outputs", "µs", 1.15, against_bare=True),
    Target("CreateTask, 3 inputs", "µs", 1.12, against_bare=True),
    Target("DeleteTask", "µs", 1.05, against_bare=True),
)
IN_FLIGHT = 16
WARM_UP_CALLS = 500


def measure(contender: Contender, *, quick: bool) -> dict[str, float]:
    """Microseconds per call, by the names of `TARGETS`."""
    calls = 1000 if quick else 5000
    with serve(contender) as server:
        return {
            name: _cpu_per_call(server, call, calls) * 1e6
            for name, call in checked_calls(server.target)
        }


def _cpu_per_call(server: ServerProcess, call: Call, calls: int) -> float:
    with connect(server.address, call.path) as connection:
        connection.load(call.request, call.reply, calls=WARM_UP_CALLS, in_flight=IN_FLIGHT)
        before = server.cpu_seconds()
        connection.load(call.request, call.reply, calls=calls, in_flight=IN_FLIGHT)
        return (server.cpu_seconds() - before) / calls
