"""`flyte-connectors` as a process."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from tests.fakes.serve_process import COMMAND, ROOT

TASKS = "tests.fakes.tasks"
SECONDS = 25


class Command:
    """Runs the command, and remembers what it has started."""

    def __init__(self) -> None:
        self._running: list[Running] = []

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *arguments: str) -> Running:
        """Run it beside the test."""
        running = Running(arguments)
        self._running.append(running)
        return running

    def end_all(self) -> None:
        """Kill what still runs."""
        for running in self._running:
            running.process.kill()
            running.wait()


class Running:
    """A command that goes on beside the test; both its outputs are collected."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        streams = ((self.process.stdout, self.output), (self.process.stderr, self.errors))
        self._readers = [threading.Thread(target=_read, args=stream) for stream in streams]
        for reader in self._readers:
            reader.start()

    def wait(self) -> int:
        """Its exit code, once it has ended and all it said is here."""
        code = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        return code

    @property
    def said(self) -> str:
        """Its standard error so far."""
        return "".join(self.errors)


def _read(stream: IO[str], lines: list[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line)  # noqa: PERF402  (each line counts as soon as it is there)


def one_line(ended: subprocess.CompletedProcess[str]) -> str:
    """The single line that a command which failed has said."""
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("flyte-connectors: ")
    return lines[0].removeprefix("flyte-connectors: ")
