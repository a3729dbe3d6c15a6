"""The same task here, on a service in this process, and in processes of their own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from flyte_connectors import ConnectorRegistry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.tasks.current_run import CurrentRun, within_run
from flyte_connectors.tasks.mixins import request_for
from flyteidl2.connector import connector_pb2 as pb

from tests.service.hosting import hosting

AS_FLYTE = (
    "import runpy, sys, flyte_connectors; flyte_connectors.install_as_flyte(); "
    "sys.path.insert(0, ''); runpy.run_path(sys.argv[1], run_name='__main__')"
)
"""What runs a script written for the official SDK, as `python script.py` would with it."""


@contextlib.asynccontextmanager
async def serving_here(*connectors: Any) -> AsyncIterator[str]:
    """A service in this process with these connectors; its address."""
    async with hosting(connectors=connectors, metrics_port=0) as service:
        yield service.address


@contextlib.asynccontextmanager
async def running_on(place: str, *connectors: Any) -> AsyncIterator[None]:
    """Within this block, tasks run here (`local`) or on a real gRPC service (`service`)."""
    if place == "local":
        for connector in connectors:
            ConnectorRegistry.register(connector, override=True)  # a page may do so, too
        yield
        return
    async with serving_here(*connectors) as address, RemoteService(address) as client:
        with within_run(CurrentRun(client=client)):
            yield


def create_request(task: Any, **inputs: Any) -> pb.CreateTaskRequest:
    """What Flyte's back end sends to start `task`."""
    values = task.interface.bind(task.name, (), inputs)
    return request_for(task.to_proto(), task.interface.write_inputs(task.name, values), CurrentRun())


@contextlib.contextmanager
def script(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A script for the official SDK, running in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", AS_FLYTE, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=path.parent,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
