"""A real service with the console, and the laptop's console, as processes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = [sys.executable, "-m", "flyte_connectors"]
READY = re.compile(r"listening on (\S+) for .*; metrics on http://(\S+)/metrics; http://\2/console/")
LONGEST_WAIT = 30.0  # seconds, on a busy machine


def eventually(ask: Callable[[], Any], seconds: float = LONGEST_WAIT) -> Any:
    """The first answer of `ask` that is not empty."""
    until = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)
    return answer


@dataclasses.dataclass
class Served:
    """A service in a separate process.

    Attributes:
        grpc: Its address.
        http: URL of its HTTP port.
    """

    process: subprocess.Popen[str]
    grpc: str
    http: str
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = dataclasses.field(default_factory=list)

    @property
    def console(self) -> str:
        """URL of the console."""
        return f"{self.http}/console"

    def run(self, file: Path, task: str, *inputs: str) -> str:
        """Start a task; return the path of its job's page below the console's."""
        before = set(self.pages())
        command = [*PROGRAM, "run", "--endpoint", self.grpc, str(file), task, *inputs]
        with tempfile.TemporaryFile("w+") as said:
            run = subprocess.Popen(command, env=self.environment, stderr=said, stdout=said)
            self.started.append(run)

            def page() -> str:
                has_failed = run.poll()  # before the pages are read: a run that fails may have one, too
                found = next(iter(set(self.pages()) - before), "")
                if has_failed and not found:
                    said.seek(0)
                    pytest.fail(said.read())
                return found

            return eventually(page)

    def pages(self) -> list[str]:
        """The paths of the jobs' pages in the table, newest first."""
        html = httpx.get(f"{self.console}/jobs").text
        return re.findall(r'href="/console(/jobs/[^"?]+)"', html)

    def stop(self) -> None:
        """End it and what it was asked to run."""
        for run in self.started:
            run.send_signal(signal.SIGTERM)
        for run in self.started:
            run.wait(LONGEST_WAIT)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LONGEST_WAIT)


@contextlib.contextmanager
def serving(
    environment: dict[str, str],
    *flags: str,
    port: int = 0,
    http: int = 0,
    program: Sequence[str] = PROGRAM,
) -> Iterator[Served]:
    """A service with the console."""
    command = [*program, "serve", "--console", f"--port={port}", f"--metrics-port={http}", *flags]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    ready = READY.match(line)
    assert ready, line
    served = Served(process, ready[1], f"http://{ready[2]}", environment)
    try:
        yield served
    finally:
        served.stop()
        process.stdout.close()


@contextlib.contextmanager
def laptop(environment: dict[str, str], *flags: str) -> Iterator[str]:
    """The laptop's console: the URL that it prints."""
    command = [*PROGRAM, "console", "--no-browser", *flags]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield process.stderr.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(LONGEST_WAIT)
        process.stderr.close()


def events(url: str, **parameters: Any) -> Iterator[tuple[str, Any]]:
    """The events of a job's page."""
    with httpx.stream("GET", f"{url}/events", params=parameters, timeout=LONGEST_WAIT) as reply:
        assert reply.status_code == 200, reply.read()
        name = ""
        for line in reply.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])
