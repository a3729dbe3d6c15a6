"""A connector in another process, as in another replica of the service.

    python -m flyte_connectors.testing.replica MODULE CLASS

reads a GetTaskRequest and a DeleteTaskRequest from standard input (base64, a line each), serves both,
and prints the phase.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import os
import sys
from collections.abc import Mapping

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.testing.harness import Driver


async def phase_of(driver: Driver, meta: bytes, environment: Mapping[str, str]) -> int:
    """The phase of a job as another process sees it, which then deletes the job.

    Args:
        driver: Whose calls are made there.
        meta: The job.
        environment: What the process needs beside the environment of this one.
    """
    kind = type(driver.bound.plugin)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, kind.__module__, kind.__qualname__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    requests = (driver.get_request(meta), driver.delete_request(meta))
    lines = [base64.b64encode(request.SerializeToString()) for request in requests]
    answer, complaint = await process.communicate(b"\n".join(lines))
    assert process.returncode == 0, (
        f"another process can't serve the job: keep what later calls need in the meta:\n{complaint.decode()}"
    )
    return int(answer)


async def _serve(module: str, name: str) -> None:
    registry = Registry()
    registry.register(getattr(importlib.import_module(module), name)())
    dispatcher = Dispatcher(registry, CallGuard(), local=True)
    get, delete = (base64.b64decode(line) for line in sys.stdin.buffer)
    reply = await dispatcher.get(pb.GetTaskRequest.FromString(get))
    await dispatcher.delete(pb.DeleteTaskRequest.FromString(delete))
    print(reply.resource.phase)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
