"""`--workers N`: N processes that share one port, under one supervisor.

The kernel spreads the connections over the processes (SO_REUSEPORT). The supervisor starts them, starts
one again when it dies, passes signals on, and adds their metrics up behind one endpoint. A worker whose
supervisor is gone drains and ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from flyte_connectors.errors import ServiceStartError
from flyte_connectors.service.http_endpoint import HttpEndpoint, listen_http
from flyte_connectors.service.server import shutdown_signals
from flyte_connectors.service.settings import (
    CONFIG_VARIABLE,
    FIELDS,
    WORKER_VARIABLE,
    ServiceSettings,
    flag_of,
    variable_of,
)

logger = logging.getLogger(__name__)

_SHORT_LIFE = 5.0  # seconds; a worker that dies sooner is started again after a pause
_PAUSES = (1.0, 30.0)  # seconds; the first, and the longest after more such deaths in a row
_LOOK = 0.2  # seconds between two looks at the workers
_SCRAPE_TIMEOUT = 2.0  # seconds
_READY_LINE = re.compile(r"listening on (\S+) for (.*); metrics on (\S+)")

_Sums: TypeAlias = dict[tuple[str, str, tuple[tuple[str, str], ...]], float]
"""Values by family, sample and labels."""


def supervise(settings: ServiceSettings) -> int:
    """Run the workers until a signal ends them; returns the exit code.

    Raises:
        ServiceStartError: the port is in use, or the workers don't start.
    """
    listening = listen_http(settings)
    with listening, _reserved_port(settings.host, settings.port) as port:
        command = worker_command(settings, port)
        workers = [_Worker(command, number) for number in range(settings.workers)]
        supervisor = _Supervisor(workers, settings.grace)
        try:
            served = supervisor.wait_until_ready()
            if not served:
                return 0
            summed = _SummedMetrics(workers)  # remembers what workers counted that have died
            HttpEndpoint(listening, supervisor, lambda: summed)
            print(  # noqa: T201  (the one line that says where it listens)
                f"listening on {settings.host}:{port} for {served}; "
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

    process: subprocess.Popen[str]

    def __init__(self, command: list[str], number: int) -> None:
        self._command = command
        self._number = number
        self._pause = 0.0
        self._start_at: float | None = None  # set once it has died
        self.metrics_url = ""
        self._start()

    def wait_until_ready(self) -> str:
        """The task types that it serves."""
        output = self.process.stdout
        assert output is not None
        for line in output:
            ready = _READY_LINE.match(line)
            if ready is not None:
                self.metrics_url = ready[3]
                self.is_ready = True
                threading.Thread(target=_pass_on, args=(output,), daemon=True).start()
                return ready[2]
            _pass_on([line])  # printed by a plugin
        raise ServiceStartError(f"worker {self._number} failed to start; see its output above")

    def revive(self) -> None:
        """Start it again if it has died."""
        code = self.process.poll()
        if code is None:
            return
        if self._start_at is None:
            lived = time.monotonic() - self._started
            first, longest = _PAUSES
            self._pause = min(2 * self._pause or first, longest) if lived < _SHORT_LIFE else 0.0
            self._start_at = time.monotonic() + self._pause
            again = f"starting it again in {self._pause:g} s" if self._pause else "starting it again"
            logger.error("worker %d ended with code %d; %s", self._number, code, again)
        if time.monotonic() < self._start_at:
            return
        self._start()
        with contextlib.suppress(ServiceStartError):  # the next look finds it dead again
            self.wait_until_ready()

    def _start(self) -> None:
        self.is_ready = False
        self._started = time.monotonic()
        self._start_at = None
        self.process = subprocess.Popen(  # noqa: S603  (this program itself)
            self._command,
            stdin=subprocess.PIPE,  # closes when this process ends, however it does
            stdout=subprocess.PIPE,
            text=True,
            env={**_environment(), WORKER_VARIABLE: str(self._number)},
            start_new_session=True,  # Ctrl-C is for the supervisor, which passes it on
        )


class _Supervisor:
    """Starts, watches and stops the workers.

    Attributes:
        serving: Whether the workers take calls.
    """

    def __init__(self, workers: list[_Worker], grace: float) -> None:
        self._workers = workers
        self._grace = grace
        self.serving = True
        for number in shutdown_signals():
            signal.signal(number, self._stop)

    def wait_until_ready(self) -> str:
        """The task types that the workers serve; empty if a signal came first.

        Raises:
            ServiceStartError: a worker does not start.
        """
        served = ""
        for worker in self._workers:
            try:
                served = worker.wait_until_ready()
            except ServiceStartError:
                if self.serving:
                    raise
        return served if self.serving else ""

    def watch(self) -> None:
        """Keep the workers alive until a signal."""
        while self.serving:
            for worker in self._workers:
                if self.serving:
                    worker.revive()
            self._reap_orphans()
            time.sleep(_LOOK)

    def _reap_orphans(self) -> None:
        """As process 1 of a container it is the parent of all that lose theirs, such as processes that watch jobs."""
        workers = {worker.process.pid for worker in self._workers}
        while os.getpid() == 1:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in workers:
                return
            os.waitpid(ended.si_pid, 0)

    def end(self) -> None:
        """Drain the workers; kill those that exceed the grace period."""
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
        is_second = not self.serving
        self.serving = False
        for worker in self._workers:
            if is_second or not worker.is_ready:  # a plugin may take for ever to import
                worker.process.terminate()


class _SummedMetrics(Collector):
    """The metrics of all workers, added up sample by sample.

    A counter must not decrease when a worker dies or does not answer, or Prometheus takes it for a restart:
    the last values of such a worker still count.
    """

    def __init__(self, workers: list[_Worker]) -> None:
        self._workers = workers
        self._lock = threading.Lock()  # two may scrape at once
        self._answers: dict[str, list[Metric]] = {}  # last one of each process, by its address
        self._families: dict[str, Metric] = {}
        self._ended: _Sums = {}  # of processes that are gone

    def collect(self) -> Iterator[Metric]:
        """The sums as they are now."""
        with self._lock:
            sums = self._sums()
        for name, family in self._families.items():
            total = Metric(name, family.documentation, family.type)
            for (of_family, sample_name, labels), value in sums.items():
                if of_family == name:
                    total.add_sample(sample_name, dict(labels), value)
            yield total

    def _sums(self) -> _Sums:
        serving = {worker.metrics_url for worker in self._workers}
        for url in self._answers.keys() - serving:
            _add(_growing(self._answers.pop(url)), self._ended)
        sums = self._ended.copy()
        for url in serving:
            answer = self._scrape(url) or _growing(self._answers.get(url, []))
            self._families |= {family.name: family for family in answer}
            self._answers[url] = answer
            _add(answer, sums)
        return sums

    def _scrape(self, url: str) -> list[Metric]:
        try:
            with urllib.request.urlopen(url, timeout=_SCRAPE_TIMEOUT) as response:  # noqa: S310  (a worker)
                return list(text_string_to_metric_families(response.read().decode()))
        except OSError:
            logger.warning("no metrics from the worker at %s", url)
            return []


@contextlib.contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """A free port, reserved for the workers by a socket that does not listen."""
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
            raise ServiceStartError(f"can't listen on {host}:{port}: {error.strerror}") from error
        yield int(mine.getsockname()[1])


def _add(families: list[Metric], sums: _Sums) -> None:
    for family in families:
        for sample in family.samples:
            key = (family.name, sample.name, tuple(sorted(sample.labels.items())))
            sums[key] = sums.get(key, 0.0) + sample.value


def _growing(families: list[Metric]) -> list[Metric]:
    return [family for family in families if family.type in {"counter", "histogram"}]


def _pass_on(lines: Iterable[str]) -> None:
    """Forward a worker's output to standard error; an unread pipe would block the worker."""
    for line in lines:
        # Standard error may be closed; the worker must not fail because of it.
        with contextlib.suppress(OSError):
            sys.stderr.write(line)


def worker_command(settings: ServiceSettings, port: int) -> list[str]:
    """The command line of a worker: the settings in force, but the port and its own metrics port."""
    own = dataclasses.replace(settings, port=port, metrics_port=0, workers=1)
    command = [sys.executable, "-m", "flyte_connectors", "serve"]
    for name, field in FIELDS.items():
        value, flag = getattr(own, name), flag_of(name)
        if value == field.default:
            continue
        if value is True:
            command.append(flag)
        elif field.metadata["many"]:
            command += [f"{flag}={item}" for item in value or ("",)]
        else:
            command.append(f"{flag}={value}")
    return command


def _environment() -> dict[str, str]:
    """This process's environment without settings: workers get them on their command line."""
    settings = {CONFIG_VARIABLE, *map(variable_of, FIELDS)}
    return {name: value for name, value in os.environ.items() if name not in settings}
