"""Progress display of a run on stderr: phase, progress bar, log lines."""

from __future__ import annotations

import asyncio
import collections
import math
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors.cli import history
from flyte_connectors.cli.table import colour
from flyte_connectors.client.job_loop import RunObserver
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConnectorError

if TYPE_CHECKING:
    from typing_extensions import Self

_BAR = 24  # characters
_TICK = 0.5  # seconds


class Waits:
    """Reports why a command waits, once for each reason, so that it does not seem to hang."""

    def __init__(self) -> None:
        self._reason = ""

    def __call__(self, error: ConnectorError, seconds: float) -> None:
        """A call has failed, and is tried again in so many seconds."""
        del seconds  # they only grow
        if error.message != self._reason:
            self._reason = error.message
            text = colour(f"trying again: {error.message}", "yellow", sys.stderr)
            print(text, file=sys.stderr, flush=True)


class Progress(RunObserver):
    """Shows a run, and remembers its jobs for `logs` and `cancel`.

    Each line about a job begins with the job's name, once there are several.

    Args:
        endpoint: The service that the run uses; empty for this process.
        module: File that defines the task.
        quiet: Show nothing.
    """

    def __init__(self, *, endpoint: str, module: str, quiet: bool) -> None:
        self._endpoint = endpoint
        self._module = module
        self._stream = sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty() and not quiet
        self._begun = time.monotonic()
        self._run = ""
        self._jobs: dict[str, _JobProgress] = {}
        self._status: tuple[str, ...] = ()
        self._ticking: asyncio.Task[None] | None = None
        self._waits = Waits()
        self._links: set[str] = set()
        self.wants_logs = not quiet
        self.is_cancelling = False
        self._is_cancelled = True
        self._not_cancelled = ""

    def __enter__(self) -> Self:
        if self._live:
            self._ticking = asyncio.get_running_loop().create_task(self._tick())
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        self._clear()
        self._status = ()

    def started(self, run: str, task: str) -> None:
        """The run has been named; printed even with --quiet."""
        self._run = run
        print(colour(f"run {run} of '{task}'", "cyan", self._stream), file=self._stream, flush=True)

    def leaving(self) -> None:
        """The command ends without waiting for the cancellation."""
        text = f"leaving: the job is NOT cancelled. To cancel it later: {self._cancel_command()}"
        if not self._jobs:
            text = "leaving: a job that was just being started is NOT cancelled and is not recorded"
        self._say(self._not_cancelled or text)

    def not_cancelled(self, text: str, *, is_final: bool) -> None:
        """A job that has to be cancelled still runs; printed even with --quiet."""
        self._not_cancelled = text
        self._is_cancelled = self._is_cancelled and not is_final
        self._say(text)

    def how_to_cancel(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> str:
        """The command that cancels the job; it needs the job's record."""
        history.save_job(request, resource_meta, endpoint=self._endpoint, module=self._module)
        return self._cancel_command()

    def cancelled(self) -> None:
        """The run was interrupted, and its job was cancelled if that was possible."""
        self.ended("cancelled" if self._is_cancelled else "ended, NOT cancelled,", "yellow")

    def created(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> None:
        """A job has been started."""
        record = history.save_job(request, resource_meta, endpoint=self._endpoint, module=self._module)
        self.note(f"job {record.action} of '{record.task}' started")

    def of_job(self, name: str) -> RunObserver:
        """What shows one of the run's jobs."""
        return self._jobs.setdefault(name, _JobProgress(self, name))

    def polled(self, resource: pb.Resource) -> None:
        """The state of the run's only job has been read."""
        self.of_job("").polled(resource)

    def show(self, job: str, phase: str, resource: pb.Resource, *, is_new: bool) -> None:
        """Show a job's state: on a terminal at its bottom, else once for each phase."""
        for link in resource.log_links:
            if link.uri not in self._links:
                self._links.add(link.uri)
                self.note(f"{self.prefix(job)}{link.name}: {link.uri}")
        if not self._live:
            has_failed = phase in ("FAILED", "ABORTED", "RETRYABLE_FAILED")  # the error says why
            if is_new:
                words = [phase, *("" if has_failed else resource.message).split()]
                self.note(self.prefix(job) + " ".join(words))
        elif len(self._jobs) == 1:
            self._status = (phase, _bar(resource.custom_info), resource.message)
            self._draw()
        else:
            phases = collections.Counter(job.phase for job in self._jobs.values() if job.phase)
            self._status = (", ".join(f"{number} {phase}" for phase, number in phases.items()),)
            self._draw()

    def prefix(self, job: str) -> str:
        """What a line about a job begins with."""
        return f"{job} " if len(self._jobs) > 1 else ""

    def waiting(self, error: ConnectorError, seconds: float) -> None:
        """A call has failed, and is tried again."""
        self._clear()
        self._waits(error, seconds)

    def logged(self, line: LogLine, job: str = "") -> None:
        """The job has written a log line."""
        stamp = line.timestamp.ToDatetime().strftime("%H:%M:%S") if line.timestamp.seconds else ""
        words = (colour(f"{self.prefix(job)}{stamp}".rstrip(), "dim", self._stream), line.message)
        self._write(" ".join(filter(None, words)))

    def ended(self, word: str, colour_name: str) -> None:
        """The run is over."""
        seconds = time.monotonic() - self._begun
        self._write(f"{colour(word, colour_name, self._stream)} after {seconds:.1f} s")

    def note(self, text: str) -> None:
        """Print a line about the run."""
        self._write(colour(text, "cyan", self._stream))

    def _cancel_command(self) -> str:
        return f"flyte-connectors cancel {self._run}"

    def _say(self, text: str) -> None:
        """Print a line even with --quiet."""
        self._clear()
        print(colour(text, "red", self._stream), file=self._stream, flush=True)

    def _write(self, text: str) -> None:
        if self._quiet:
            return
        self._clear()
        print(text, file=self._stream, flush=True)
        self._draw()

    async def _tick(self) -> None:
        """Update the elapsed time between polls."""
        while True:
            await asyncio.sleep(_TICK)
            self._draw()

    def _draw(self) -> None:
        """Write the line at the bottom of the terminal, once there is a job."""
        if not self._status:
            return
        phase, *others = self._status
        seconds = time.monotonic() - self._begun
        words = " ".join([phase, f"{seconds:.0f} s", *others]).split()
        width = shutil.get_terminal_size().columns - 1
        self._clear()
        print(" ".join(words)[:width], end="", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=self._stream)


class _JobProgress(RunObserver):
    """Shows one of the jobs of a run.

    Args:
        run: What shows the run.
        name: The job's name, such as `a0`.

    Attributes:
        phase: The job's phase; empty until it is known.
    """

    def __init__(self, run: Progress, name: str) -> None:
        self._run = run
        self._name = name
        self.phase = ""
        self.wants_logs = run.wants_logs

    def created(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> None:
        self._run.created(request, resource_meta)

    def waiting(self, error: ConnectorError, seconds: float) -> None:
        self._run.waiting(error, seconds)

    def not_cancelled(self, text: str, *, is_final: bool) -> None:
        self._run.not_cancelled(text, is_final=is_final)

    def how_to_cancel(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> str:
        return self._run.how_to_cancel(request, resource_meta)

    def polled(self, resource: pb.Resource) -> None:
        before, self.phase = self.phase, Phase(resource.phase).name
        self._run.show(self._name, self.phase, resource, is_new=self.phase != before)

    def logged(self, line: LogLine) -> None:
        self._run.logged(line, self._name)


def _bar(custom_info: Any) -> str:
    """A bar for the fraction that a connector reports as `custom_info["progress"]`, 0 to 1."""
    if "progress" not in custom_info:
        return ""
    value = custom_info["progress"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return ""
    fraction = min(max(value, 0), 1)
    full = round(fraction * _BAR)
    return f"[{'#' * full}{'-' * (_BAR - full)}] {fraction:.0%}"
