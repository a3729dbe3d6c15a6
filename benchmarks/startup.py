"""From nothing to serving: the import, the process, and what it then holds in memory."""

from __future__ import annotations

import json
import subprocess
import time

from benchmarks.contender import ENVIRONMENT, Contender, Name
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another
from benchmarks.server_process import ServerProcess, serve

IMPORT, MODULES = "import of the service, time", "import of the service, modules"
AUTHOR_IMPORT, AUTHOR_MODULES = "import for a connector, time", "import for a connector, modules"
SERVING, MEMORY = "process start to SERVING", "idle resident memory"
TARGETS = (
    Target(IMPORT, "ms", 1.2, against_bare=True),
    Target(MODULES, "modules", 1.2, against_bare=True),
    Target(AUTHOR_IMPORT, "ms", 1.2, against_bare=True),
    Target(AUTHOR_MODULES, "modules", 1.2, against_bare=True),
    Target(SERVING, "ms", 1.3, against_bare=True),
    Target(MEMORY, "MB", 1.15, against_bare=True),
)
BARE_IMPORTS = "import grpc.aio, grpc_health.v1.health, flyteidl2.connector.service_pb2_grpc"
SERVICE_IMPORTS = {
    Name.BARE: BARE_IMPORTS,
    Name.OURS: "import flyte_connectors.service.server",
    Name.PEER: "import flyte.connectors._server",
}
AUTHOR_IMPORTS = {
    Name.BARE: BARE_IMPORTS,
    Name.OURS: "from flyte_connectors import AsyncConnector, ConnectorRegistry",
    Name.PEER: "from flyte.connectors import AsyncConnector, ConnectorRegistry",
}
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
    _import(contender, SERVICE_IMPORTS[contender.name])  # untimed: it compiles what has to be
    service_import, service_modules = _import(contender, SERVICE_IMPORTS[contender.name])
    author_import, author_modules = _import(contender, AUTHOR_IMPORTS[contender.name])
    with serve(contender) as server:
        memory = _settled_memory(server)
        return {
            IMPORT: service_import,
            MODULES: service_modules,
            AUTHOR_IMPORT: author_import,
            AUTHOR_MODULES: author_modules,
            SERVING: server.start_seconds * 1e3,
            MEMORY: memory / 1e6,
        }


def _import(contender: Contender, statement: str) -> tuple[float, int]:
    """Milliseconds that `statement` takes in a new process, and the modules then loaded."""
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
