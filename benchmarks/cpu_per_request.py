"""CPU time of the service (user and system) per unary call, while it is kept busy.

The contenders' services run side by side and are loaded in turns of a few milliseconds, so that a
machine that gets slower or faster meanwhile does so for all of them.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from benchmarks.http2_load import Connection, connect
from benchmarks.payloads import Calls, checked_calls
from benchmarks.report import Target
from benchmarks.rounds import Found, rotated
from benchmarks.server_process import ServerProcess, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.contender import Contender, Name

TARGETS = (
    Target("GetTask RUNNING", "µs", 1.10, against_bare=True, asgi=0.50),
    Target("GetTask SUCCEEDED, 3 outputs", "µs", 1.15, against_bare=True, asgi=0.55),
    Target("CreateTask, 3 inputs", "µs", 1.20, against_bare=True, asgi=0.65),
    Target("DeleteTask", "µs", 1.06, against_bare=True, asgi=0.45),
)
IN_FLIGHT = 16
WARM_UP_CALLS = 500
CALLS_PER_TURN = 200


def measure(contenders: Sequence[Contender], *, quick: bool) -> Mapping[Name, Found]:
    """Microseconds per call, by the names of `TARGETS`."""
    turns = 5 if quick else 20
    with contextlib.ExitStack() as stack:
        servers = {each: stack.enter_context(serve(each)) for each in contenders}
        jobs = WARM_UP_CALLS + turns * CALLS_PER_TURN  # each call is about another one
        calls = {each: dict(checked_calls(server.address, jobs)) for each, server in servers.items()}
        found: dict[Name, Found] = {each.name: {} for each in contenders}
        for target in TARGETS:
            loads = {
                each: stack.enter_context(_load(servers[each], calls[each][target.measure])) for each in contenders
            }
            for turn in range(turns):
                for each in rotated(contenders, turn):
                    loads[each].take_turn()
            for each, load in loads.items():
                found[each.name][target.measure] = load.cpu_seconds / load.calls * 1e6
        return found


class _Load:
    """One kind of call, made to one service."""

    def __init__(self, server: ServerProcess, connection: Connection, calls: Calls) -> None:
        self._server = server
        self._connection = connection
        self._requests, self._replies = iter(calls.requests), iter(calls.replies)
        self._send(WARM_UP_CALLS)
        self.calls = 0
        self.cpu_seconds = 0.0

    def take_turn(self) -> None:
        before = self._server.cpu_seconds()
        self._send(CALLS_PER_TURN)
        self.cpu_seconds += self._server.cpu_seconds() - before
        self.calls += CALLS_PER_TURN

    def _send(self, calls: int) -> None:
        requests, replies = (list(itertools.islice(each, calls)) for each in (self._requests, self._replies))
        self._connection.load(requests, replies, in_flight=IN_FLIGHT)


@contextlib.contextmanager
def _load(server: ServerProcess, calls: Calls) -> Iterator[_Load]:
    with connect(server.address, calls.path) as connection:
        yield _Load(server, connection, calls)
