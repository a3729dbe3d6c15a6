"""From nothing to serving: the import, the process, and what it then holds in memory."""

from __future__ import annotations

import json
import subprocess
import time

from benchmarks.contender import Contender, Name
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another
from benchmarks.server_process import ServerProcess, serve

IMPORT, MODULES = "import, time", "import, modules"
SERVING, MEMORY = "process start to SERVING", "idle resident memory"
TARGETS = (
    Target(IMPORT, "ms", 1.2, against_bare=True),
    Target(MODULES, "modules", 1.2, against_bare=True),
    Target(SERVING, "ms", 1.3, against_bare=True),
    Target(MEMORY, "MB", 1.15, against_bare=True),
)
IMPORTS = {
    Name.BARE: "import grpc.aio, grpc_health.v1.health, flyteidl2.connector.service_pb2_grpc",
    Name.OURS: "import flyte_connectors",
    Name.PEER: "import flyte.connectors",
}
"""What the module of a connector, or a bare server, imports before it can define anything."""
PROGRAM = """
import json, sys, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
print(json.dumps([seconds * 1e3, len(sys.modules)]))
"""
SETTLE_SECONDS, SETTLE_STEP_SECONDS = 2.0, 0.2


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Milliseconds, counts and megabytes, by the names of `TARGETS`."""
    del quick
    milliseconds, modules = _import(contender)
    with serve(contender) as server:
        memory = _settled_memory(server)
        return {
            IMPORT: milliseconds,
            MODULES: modules,
            SERVING: server.start_seconds * 1e3,
            MEMORY: memory / 1e6,
        }


def _import(contender: Contender) -> tuple[float, int]:
    program = PROGRAM.format(statement=IMPORTS[contender.name])
    command = [str(contender.python), "-c", program]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    milliseconds, modules = json.loads(output)
    return milliseconds, modules


def _settled_memory(server: ServerProcess) -> int:
    """Resident bytes once they no longer change."""
    deadline = time.monotonic() + SETTLE_SECONDS
    seen = -1
    while (now := server.resident_bytes()) != seen and time.monotonic() < deadline:
        seen = now
        time.sleep(SETTLE_STEP_SECONDS)
    return now
