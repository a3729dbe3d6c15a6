"""From nothing to serving: the import, the process, and what it then holds in memory.

Imports are counted in CPU time, which hardly depends on what else the machine does; of each thing
that takes time the quickest of a few tries is a round's value.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import NamedTuple

from benchmarks.contender import ENVIRONMENT, Contender, Name
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another
from benchmarks.server_process import ServerProcess, serve

IMPORT, MODULES = "import of the service, CPU time", "import of the service, modules"
AUTHOR_IMPORT, AUTHOR_MODULES = (
    "import for a connector, CPU time",
    "import for a connector, modules",
)
SERVING, SERVING_CPU = "process start to SERVING", "process start to SERVING, CPU time"
MEMORY = "idle resident memory"
TARGETS = (
    Target(IMPORT, "ms", 1.25, against_bare=True),
    Target(MODULES, "modules", 1.2, against_bare=True),
    Target(AUTHOR_IMPORT, "ms", 1.25, against_bare=True),
    Target(AUTHOR_MODULES, "modules", 1.2, against_bare=True),
    Target(SERVING, "ms", 1.3, against_bare=True),
    Target(SERVING_CPU, "ms", 1.3, against_bare=True),
    Target(MEMORY, "MB", 1.15, against_bare=True),
)
BARE_IMPORTS = "import grpc.aio, grpc_health.v1.health, flyteidl2.connector.service_pb2_grpc"
SERVICE_IMPORTS = {
    Name.BARE: BARE_IMPORTS,
    Name.OURS: "import flyte_connectors.service.server",
    Name.ASGI: "import flyte_connectors.service.server, flyte_connectors_asgi.transport",
    Name.PEER: "import flyte.connectors._server",
}
AUTHOR_IMPORTS = {
    Name.BARE: BARE_IMPORTS,
    Name.OURS: "from flyte_connectors import AsyncConnector, ConnectorRegistry",
    Name.ASGI: "from flyte_connectors import AsyncConnector, ConnectorRegistry",
    Name.PEER: "from flyte.connectors import AsyncConnector, ConnectorRegistry",
}
PROGRAM = """
import json, sys, time
started = time.process_time()
{statement}
seconds = time.process_time() - started
print(json.dumps([seconds * 1e3, len(sys.modules)]))
"""
TRIES = 3
SETTLE_SECONDS, SETTLE_STEP_SECONDS = 2.0, 0.2


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Milliseconds, counts and megabytes, by the names of `TARGETS`."""
    tries = range(1 if quick else TRIES)
    service, author = SERVICE_IMPORTS[contender.name], AUTHOR_IMPORTS[contender.name]
    _import(contender, service)  # untimed: it compiles what has to be
    service_import, service_modules = min(_import(contender, service) for _ in tries)
    author_import, author_modules = min(_import(contender, author) for _ in tries)
    starts = [_start(contender) for _ in tries]
    return {
        IMPORT: service_import,
        MODULES: service_modules,
        AUTHOR_IMPORT: author_import,
        AUTHOR_MODULES: author_modules,
        SERVING: min(start.milliseconds for start in starts),
        SERVING_CPU: min(start.cpu_milliseconds for start in starts),
        MEMORY: min(start.megabytes for start in starts),
    }


class _Start(NamedTuple):
    milliseconds: float
    cpu_milliseconds: float
    megabytes: float


def _start(contender: Contender) -> _Start:
    with serve(contender) as server:
        cpu_seconds = server.cpu_seconds()
        megabytes = _settled_memory(server) / 1e6
        return _Start(server.start_seconds * 1e3, cpu_seconds * 1e3, megabytes)


def _import(contender: Contender, statement: str) -> tuple[float, int]:
    """CPU milliseconds of `statement` in a new process, and the modules then loaded."""
    program = PROGRAM.format(statement=statement)
    command = [str(contender.python), "-c", program]
    output = subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True).stdout
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
