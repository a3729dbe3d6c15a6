"""A service in a process of its own: start it, read what it uses, end it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contender import ENVIRONMENT, Contender
from benchmarks.http2_load import TransportError, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 5.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SERVING = b"\x08\x01"
"""A serialised `grpc.health.v1.HealthCheckResponse(status=SERVING)`."""


class ServerStartError(Exception):
    """The service ended, or did not become healthy in time. The message ends with its output."""


class ServerProcess:
    """A running service.

    Attributes:
        address: Host and port.
        start_seconds: From starting the process to its first answer SERVING.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.address = ("127.0.0.1", port)
        self.start_seconds = 0.0

    @property
    def target(self) -> str:
        """The address as gRPC writes it."""
        return "{}:{}".format(*self.address)

    def cpu_seconds(self) -> float:
        """User and system time that the process and its children have used so far."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in _tree(self._process.pid))

    def resident_bytes(self) -> int:
        """Resident memory of the process and its children."""
        return sum(_resident_bytes(pid) for pid in _tree(self._process.pid))

    def wait_until_serving(self, started: float) -> None:
        """Ask for health until the answer is SERVING.

        Args:
            started: `time.perf_counter()` just before the process was started, in seconds.

        Raises:
            ServerStartError: It ended, or took longer than `START_TIMEOUT_SECONDS`.
        """
        while not self._is_serving():
            if self._process.poll() is not None:
                message = f"the service ended with exit code {self._process.returncode}"
                raise ServerStartError(message)
            if time.perf_counter() - started > START_TIMEOUT_SECONDS:
                message = f"the service was not healthy after {START_TIMEOUT_SECONDS} s"
                raise ServerStartError(message)
            time.sleep(0.001)
        self.start_seconds = time.perf_counter() - started

    def stop(self) -> None:
        """End the process, politely and then not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_serving(self) -> bool:
        try:
            with connect(self.address, "/grpc.health.v1.Health/Check") as health:
                return health.exchange([b""], in_flight=1) == [SERVING]
        except (OSError, TransportError):
            return False


@contextlib.contextmanager
def serve(contender: Contender) -> Iterator[ServerProcess]:
    """Run a contender's service until the block ends."""
    port, metrics_port = _free_port(), _free_port()
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            contender.serve_command(port, metrics_port),
            env=ENVIRONMENT,
            stdout=output,
            stderr=output,
        )
        server = ServerProcess(process, port)
        try:
            server.wait_until_serving(started)
            yield server
        except ServerStartError as error:
            output.seek(0)
            tail = output.read()[-2000:].decode(errors="replace")
            message = f"{contender.name.value}: {error}\n{tail}"
            raise ServerStartError(message) from None
        finally:
            server.stop()


def _free_port() -> int:
    """A port that was free a moment ago: the official service cannot report one it picked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _tree(pid: int) -> list[int]:
    """The process and its descendants."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in _tree(child))]


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time, as `clock_getcpuclockid(3)` makes it; nanoseconds fine."""
    cpu_clock_of_process = 2
    return (~pid << 3) | cpu_clock_of_process


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
