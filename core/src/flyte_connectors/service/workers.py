"""`--workers N`: N processes that share one port, under one supervisor.

The kernel spreads the connections over the processes (SO_REUSEPORT). The supervisor starts them, starts
one again when it dies, passes signals on, and adds their metrics up behind one endpoint. A worker whose
supervisor is gone drains and ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from flyte_connectors.service.exposition import HttpEndpoint
from flyte_connectors.service.server import ServiceStartError, listen_http
from flyte_connectors.service.settings import FIELDS, WORKER_VARIABLE, ServiceSettings, flag_of

logger = logging.getLogger(__name__)

_QUICK_DEATH = 5.0  # seconds; a worker that dies sooner is started again after a pause
_LOOK = 0.2  # seconds between two looks at the workers
_SCRAPE_TIMEOUT = 2.0  # seconds
_READY_LINE = re.compile(r"listening on (\S+) for (.*); metrics on (\S+)")


def supervise(settings: ServiceSettings) -> int:
    """Run the workers until a signal ends them; returns the exit code.

    Raises:
        ServiceStartError: the port is in use, or the workers don't start.
    """
    listening = listen_http(settings)
    with listening, _reserved_port(settings.host, settings.port) as port:
        command = _worker_command(settings, port)
        workers = [_Worker(command, number) for number in range(settings.workers)]
        supervisor = _Supervisor(workers, settings.grace)
        try:
            served = [worker.wait_until_ready() for worker in workers]
            HttpEndpoint(listening, supervisor, _SummedMetrics(workers))
            print(  # noqa: T201  (the one line that says where it listens)
                f"listening on {settings.host}:{port} for {served[0]}; "
                f"metrics on http://{settings.host}:{listening.getsockname()[1]}/metrics; "
                f"{settings.workers} workers",
                flush=True,
            )
            supervisor.watch()
        finally:
            supervisor.end()
    return 0


class _Worker:
    """One process, and the one that takes its place when it dies."""

    def __init__(self, command: list[str], number: int) -> None:
        self._command = command
        self._number = number
        self.metrics_url = ""
        self._start()

    def wait_until_ready(self) -> str:
        """The task types that it serves."""
        assert self.process.stdout is not None
        ready = _READY_LINE.match(self.process.stdout.readline())
        if ready is None:
            message = f"worker {self._number} did not start; its last words are above"
            raise ServiceStartError(message)
        self.metrics_url = ready[3]
        return ready[2]

    def revive(self) -> None:
        """Start it again if it has died."""
        code = self.process.poll()
        if code is None:
            return
        logger.error("worker %d ended with code %d; starting it again", self._number, code)
        if time.monotonic() - self._started < _QUICK_DEATH:
            time.sleep(1)
        self._start()
        with contextlib.suppress(ServiceStartError):  # the next look finds it dead again
            self.wait_until_ready()

    def _start(self) -> None:
        self._started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  (this program itself)
            self._command,
            stdin=subprocess.PIPE,  # closes when this process ends, however it does
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, WORKER_VARIABLE: str(self._number)},
            start_new_session=True,  # Ctrl-C is for the supervisor, which passes it on
        )


class _Supervisor:
    """Looks after the workers.

    Attributes:
        serving: Whether the workers take calls.
    """

    def __init__(self, workers: list[_Worker], grace: float) -> None:
        self._workers = workers
        self._grace = grace
        self.serving = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def watch(self) -> None:
        """Keep the workers alive until a signal."""
        while self.serving:
            for worker in self._workers:
                if self.serving:
                    worker.revive()
            time.sleep(_LOOK)

    def end(self) -> None:
        """Have the workers drain; kill those that take longer than they may."""
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace + 5
        for worker in self._workers:
            try:
                worker.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def _stop(self, *_: object) -> None:
        self.serving = False


class _SummedMetrics(Collector):
    """The metrics of all workers, added up sample by sample."""

    def __init__(self, workers: list[_Worker]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """The sums as they are now; a worker that does not answer is left out."""
        families: dict[str, Metric] = {}
        sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}
        for worker in self._workers:
            for family in self._scrape(worker.metrics_url):
                families.setdefault(family.name, family)
                for sample in family.samples:
                    key = (family.name, sample.name, tuple(sorted(sample.labels.items())))
                    sums[key] = sums.get(key, 0.0) + sample.value
        for name, family in families.items():
            total = Metric(name, family.documentation, family.type)
            for (of_family, sample_name, labels), value in sums.items():
                if of_family == name:
                    total.add_sample(sample_name, dict(labels), value)
            yield total

    def _scrape(self, url: str) -> list[Metric]:
        try:
            with urllib.request.urlopen(url, timeout=_SCRAPE_TIMEOUT) as response:  # noqa: S310  (a worker)
                return list(text_string_to_metric_families(response.read().decode()))
        except OSError:
            logger.warning("no metrics from the worker at %s", url)
            return []


@contextlib.contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """A port that nobody else has, kept for the workers by a socket that does not listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as mine, socket.socket(family) as probe:
        try:
            if port:  # without SO_REUSEPORT this fails while anybody listens there
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
                probe.close()
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            mine.bind((host, port))
        except OSError as error:
            message = f"can't listen on {host}:{port}: {error.strerror}"
            raise ServiceStartError(message) from error
        yield int(mine.getsockname()[1])


def _worker_command(settings: ServiceSettings, port: int) -> list[str]:
    """The command line of a worker: the same settings, but the port and its own metrics port."""
    command = [sys.executable, "-m", "flyte_connectors", "serve"]
    special: dict[str, Any] = {"port": port, "metrics_port": 0, "workers": 1}
    for name, field in FIELDS.items():
        value = special.get(name, getattr(settings, name))
        if value == field.default and name not in special:
            continue
        if field.metadata["many"]:
            command += [word for item in value for word in (flag_of(name), item)]
        elif value is True:
            command.append(flag_of(name))
        else:
            command += [flag_of(name), str(value)]
    return command
