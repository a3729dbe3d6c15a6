"""Connector services as processes: start, kill, terminate, and look at them from outside.

`Flavour` says how a service is started: ours by `flyte-connectors serve`, the official one by
`official_service`, each with the Python of an environment where it is installed.
"""

from __future__ import annotations

import asyncio
import enum
import os
import resource
import signal
import socket
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from .rush import REDIAL

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
GRACE_SECONDS = 10.0


class ReplicaError(Exception):
    """A replica did not start or stop as requested; the message has the end of its log."""


class Flavour(enum.Enum):
    """Which connector service."""

    OURS = "ours"
    OFFICIAL = "official"

    @property
    def connector(self) -> str:
        """The module of the vendor's connector."""
        suffix = "" if self is Flavour.OURS else "_official"
        return f"tests.backend.vendor_connector{suffix}"

    def argv(self, python: Path, port: int, metrics_port: int, modules: list[str]) -> list[str]:
        """The command line that serves these modules on loopback."""
        if self is Flavour.OFFICIAL:
            service = "tests.backend.official_service"
            return [str(python), "-m", service, str(port), str(metrics_port), *modules]
        flags = [flag for module in modules for flag in ("--module", module)]
        return [
            *(str(python.with_name("flyte-connectors")), "serve", "--host", "127.0.0.1"),
            *("--port", str(port), "--metrics-port", str(metrics_port)),
            *("--grace", str(GRACE_SECONDS), *flags),
        ]


def free_port() -> int:
    """A port that was free just now: a replica must come back where its clients know it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Replica:
    """One process of a connector service on fixed loopback ports.

    Attributes:
        log: File that receives everything the process prints.
        environ: Environment variables besides the inherited ones.
        starts: How often it was started.
        overdue: How often it outlived its grace period and was killed.
    """

    flavour: Flavour
    python: Path
    modules: list[str]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    starts: int = 0
    overdue: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process and wait until its health is SERVING and its metrics are there.

        Raises:
            ReplicaError: It ended, or was not ready within `START_SECONDS`.
        """
        self.starts += 1
        argv = self.flavour.argv(self.python, self.port, self.metrics_port, self.modules)
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self.log.parent,
                env=os.environ | self.environ,
                stdout=output,
                stderr=output,
            )
        try:
            await asyncio.wait_for(self._serving(), START_SECONDS)
        except asyncio.TimeoutError:
            await self.kill()
            message = f"not SERVING within {START_SECONDS:g} s: {self._tail()}"
            raise ReplicaError(message) from None

    async def kill(self) -> None:
        """End the process at once (SIGKILL)."""
        await self._end(signal.SIGKILL, None)

    async def terminate(self) -> None:
        """Ask the process to drain and end (SIGTERM); kill it when it outlives its grace."""
        try:
            await self._end(signal.SIGTERM, GRACE_SECONDS + 2)
        except asyncio.TimeoutError:
            self.overdue += 1
            await self.kill()

    def fill_disk(self) -> None:
        """Let every further write to a file fail (with EFBIG, where a full disk says ENOSPC)."""
        resource.prlimit(self._pid(), resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self._pid()}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def metrics(self) -> str:
        """The page that Prometheus reads."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        return await asyncio.to_thread(_read, url)

    async def _serving(self) -> None:
        # By default a client that was refused a few times waits for half a minute before it dials again.
        async with grpc.aio.insecure_channel(self.address, options=REDIAL) as channel:
            check = HealthStub(channel).Check
            while True:
                if self.process is None or self.process.returncode is not None:
                    message = f"ended at once: {self._tail()}"
                    raise ReplicaError(message)
                try:
                    reply = await check(HealthCheckRequest(), timeout=1, wait_for_ready=True)
                except grpc.aio.AioRpcError:
                    continue  # bounded by the caller
                if reply.status == HealthCheckResponse.SERVING and await self._is_scraped():
                    return
                await asyncio.sleep(0.05)

    async def _is_scraped(self) -> bool:
        try:
            await self.metrics()
        except OSError:
            return False
        return True

    async def _end(self, number: signal.Signals, seconds: float | None) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await asyncio.wait_for(self.process.wait(), seconds)

    def _pid(self) -> int:
        if self.process is None:
            message = "not started"
            raise ReplicaError(message)
        return self.process.pid

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as page:
        return str(page.read().decode())
