"""A connector service in a process of its own, as an operator starts it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Service(NamedTuple):
    """Where the service listens, and the id of its process."""

    address: str
    pid: int


@contextlib.contextmanager
def running(folder: Path, *modules: Path) -> Iterator[Service]:
    """Serve the installed plugins, and the connectors of `modules`; the log goes to `folder`."""
    command = [
        sys.executable,
        "-m",
        "flyte_connectors",
        "serve",
        "--port",
        "0",
        "--metrics-port",
        "0",
    ]
    for module in modules:
        command += ["--module", str(module)]
    with (
        (folder / "service.log").open("w") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"127\.0\.0\.1:\d+", line)
            assert address, line + (folder / "service.log").read_text()
            yield Service(address.group(), process.pid)
        finally:
            process.terminate()
