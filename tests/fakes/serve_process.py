"""`flyte-connectors serve` in a process of its own, ended by its process id."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "flyte_connectors")
FAKE = "tests.fakes.fake"
ENVIRONMENT = {"FLYTE_CONNECTORS_PORT": "0", "FLYTE_CONNECTORS_EVENT_LOOP": "asyncio"}
SECONDS_TO_START = 20
SECONDS_TO_END = 20


@dataclasses.dataclass
class ServeProcess:
    """A running service.

    Attributes:
        process: The process.
        address: Where it answers gRPC; `metrics` where it answers HTTP.
        log: The file that holds its standard error.
    """

    process: subprocess.Popen[str]
    address: str
    metrics: str
    log: Path

    @property
    def port(self) -> int:
        """The gRPC port."""
        return int(self.address.rpartition(":")[2])

    def listens(self) -> bool:
        """Whether the gRPC port takes a connection."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except ConnectionError:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once the process has ended by itself."""
        return self.process.wait(SECONDS_TO_END)

    def stop(self) -> int:
        """Ask the process to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()


def start(*arguments: str, log: Path, env: Mapping[str, str] | None = None, under: Sequence[str] = ()) -> ServeProcess:
    """Start a service on free ports; returns when it is ready.

    Args:
        arguments: Further options of `serve`.
        log: Where its standard error goes; appended.
        env: Environment variables besides those of this process.
        under: Command that runs it, such as `setpriv` and its options.
    """
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [*under, *COMMAND, "serve", "--metrics-port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, **(env or {})},
        )
    assert process.stdout is not None
    with process.stdout:
        readable, _, _ = select.select([process.stdout], [], [], SECONDS_TO_START)
        line = process.stdout.readline() if readable else ""
    if not line.startswith("listening on "):
        process.kill()
        process.wait()
        raise AssertionError(f"serve did not start: {line!r} {log.read_text()}")
    metrics = line.rpartition("http://")[2].partition("/")[0]
    return ServeProcess(process, line.split()[2], metrics, log)


@contextlib.contextmanager
def serving(
    *arguments: str, log: Path, env: Mapping[str, str] | None = None, under: Sequence[str] = ()
) -> Iterator[ServeProcess]:
    """A service that runs for this block; a test may also end it itself."""
    service = start(*arguments, log=log, env=env, under=under)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()
