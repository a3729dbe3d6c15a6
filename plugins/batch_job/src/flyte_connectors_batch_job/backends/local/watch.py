"""Waits for the processes of a job, one after the other, until each has ended or has to be killed.

What the command prints is copied to the log. Every `TICK_SECONDS` it is looked whether the job was cancelled,
has used up its time or its memory, or has lost its keeper.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time

from flyte_connectors_batch_job.backends.local import files, processes, tree, usage
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local.log import (
    STDERR,
    STDOUT,
    SUPERVISOR,
    LineSplitter,
    LogWriter,
)
from flyte_connectors_batch_job.wrapper import endings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job
    from flyte_connectors_batch_job.backends.local.limits import Limits
    from flyte_connectors_batch_job.backends.local.records import Records

    Sink = Callable[[bytes], None]

TICK_SECONDS = 0.2
USAGE_SECONDS = 1.0
PIPE_BYTES = 64 * 1024

_MEBIBYTE = 1024 * 1024

KEEPER_GONE = "the job's keeper was killed"


class Watch:
    """The processes of a job, as its supervisor sees them.

    Args:
        job: The job.
        spec: What to run.
        records: What the supervisor has written down.
        log: The job's log.
        keeper_gone: Descriptor that ends when the keeper does.
        mask: What masks secrets in a line of the command's.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (all that a supervisor has)
        self,
        job: Job,
        spec: dict[str, Any],
        records: Records,
        log: LogWriter,
        keeper_gone: int,
        mask: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._job = job
        self._spec = spec
        self._records = records
        self._log = log
        self._keeper_gone = keeper_gone
        self._streams = {STDOUT: LineSplitter(mask), STDERR: LineSplitter(mask)}
        self._cancelled = self._overdue = self._deserted = self._oversized = False
        self._memory_mebibytes = (spec.get("memory_bytes") or 0) / _MEBIBYTE
        self._is_command = False
        self._exit_code: int | None = None
        self._limits: Limits | None = None
        self._started = time.monotonic()
        self._look_at = self._usage_at = 0.0
        self._kill_at: float | None = None
        self._cpu_seconds = 0.0
        self._peak_bytes = self._largest_bytes = 0
        self._wakeups = self._signals()

    @property
    def last_line(self) -> str:
        """The last line of the command's stdout that was not blank."""
        return endings.text(self._streams[STDOUT].last)

    def command(self, process: subprocess.Popen[bytes], group: str, limits: Limits) -> dict[str, Any] | None:
        """Wait for the job's command, and end all that it leaves.

        Args:
            process: The command, with pipes for its output.
            group: Its control group, or empty.
            limits: Those that the kernel keeps.

        Returns:
            How the job has ended, or None if the command ended well.
        """
        assert process.stdout
        assert process.stderr
        pipes = {process.stdout.fileno(): STDOUT, process.stderr.fileno(): STDERR}
        sinks = {pipe: self._to_log(source) for pipe, source in pipes.items()}
        self._is_command, self._limits = True, limits
        self._until_end(process.pid, sinks)
        self._note_ended(process.pid, tree.end_all(group))
        self._is_command = False
        process.returncode = self._exit_code
        with contextlib.suppress(OSError):
            self._job.reopen()
        # What is there, and no more: a process outside of the job may hold the pipe open for ever.
        for pipe, sink in sinks.items():
            os.set_blocking(pipe, False)
            with contextlib.suppress(BlockingIOError):
                while _copy(pipe, sink):
                    pass
            self._log.write(pipes[pipe], self._streams[pipes[pipe]].close())
        self._write_usage(self._cpu_seconds, self._largest_bytes)
        return self._stopped() or self._oversize() or self._failure()

    def other(self, pid: int, pipe: int, sink: Sink) -> dict[str, Any] | None:
        """Wait for a process of the supervisor's own; it has the same time limit as the command.

        Args:
            pid: A child.
            pipe: Where it writes; what is read goes to `sink`.
            sink: Called with bytes.

        Returns:
            How the job has ended, if it has to end now.
        """
        self._until_end(pid, {pipe: sink})
        tree.end_all()
        return self._stopped()

    def _until_end(self, pid: int, sinks: Mapping[int, Sink]) -> None:
        self._exit_code = self._kill_at = None
        self._started = time.monotonic()
        self._look_at, self._usage_at = 0.0, USAGE_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeups, selectors.EVENT_READ, _drain)
            selector.register(self._keeper_gone, selectors.EVENT_READ, self._see_keeper_gone)
            for pipe in sinks:
                selector.register(pipe, selectors.EVENT_READ)
            while not self._is_over():
                for key, _ in selector.select(TICK_SECONDS):
                    if key.data:
                        key.data(key.fd)
                    elif not _copy(key.fd, sinks[key.fd]):
                        selector.unregister(key.fd)
                self._note_ended(pid, tree.reap()[0])
                age = time.monotonic() - self._started
                if age >= self._look_at:
                    self._look_at = age + TICK_SECONDS
                    self._look(age)

    def _to_log(self, source: bytes) -> Sink:
        splitter = self._streams[source]
        return lambda data: self._log.write(source, splitter.feed(data))

    def _stopped(self) -> dict[str, Any] | None:
        """How the job has ended, if it had to."""
        if self._is_cancelled():
            return {"state": states.ABORTED}
        if self._deserted:
            return {"state": states.LOST, "message": KEEPER_GONE}
        if self._overdue:
            return failed(f"exceeded its time limit of {self._spec['timeout_seconds']:g} s")
        return None

    def _oversize(self) -> dict[str, Any] | None:
        used_too_much = self._oversized or self._is_oversized(self._largest_bytes)
        if used_too_much or (self._limits and self._limits.was_out_of_memory()):
            return failed(f"exceeded its memory limit of {self._memory_mebibytes:g} MiB")
        return None

    def _failure(self) -> dict[str, Any] | None:
        """How the command failed, by its exit code; None if it did not."""
        code = self._exit_code
        assert code is not None
        if not code:
            return None
        message = endings.failure(code, self._streams[STDERR].last)
        may_retry = code in self._spec.get("retry_exit_codes", ())
        return {"state": states.LOST, "message": message} if may_retry else failed(message)

    def _is_over(self) -> bool:
        overstayed = self._kill_at is not None and time.monotonic() - self._started >= self._kill_at
        return self._exit_code is not None or overstayed or self._deserted or self._oversized

    def _note_ended(self, pid: int, ended: Mapping[int, tree.Ended]) -> None:
        if self._exit_code is None and pid in ended:
            self._exit_code = ended[pid].exit_code
        if self._is_command:
            for child in ended.values():
                self._cpu_seconds += child.cpu_seconds
                self._largest_bytes = max(self._largest_bytes, child.peak_bytes)

    def _look(self, age: float) -> None:
        """See to the time limit, to a cancellation, to the keeper and to the files."""
        with contextlib.suppress(OSError):  # full, read-only or unavailable: retried at the next tick
            self._records.restore()
        if self._kill_at is None:
            if age >= self._spec["timeout_seconds"]:
                self._overdue = True
                self._terminate(age, "time limit reached")
            elif self._is_cancelled():
                self._cancelled = True
                self._terminate(age, "cancelled")
        keeper = processes.look(self._records.keeper)
        if keeper and keeper.is_stopped:
            tree.send(self._records.keeper, signal.SIGCONT)
        with contextlib.suppress(OSError):
            members = self._records.note_members()
            if self._is_command:
                self._look_at_usage(age, members)

    def _look_at_usage(self, age: float, members: list[int]) -> None:
        if age >= self._usage_at:
            self._usage_at = age + USAGE_SECONDS
            cpu_seconds, resident = usage.of_processes(members)
            self._write_usage(self._cpu_seconds + cpu_seconds, resident)
        if self._memory_mebibytes and self._uses_too_much(members):
            self._oversized = True
            self._log.write(SUPERVISOR, [b"memory limit exceeded: sending SIGKILL"])

    def _uses_too_much(self, members: list[int]) -> bool:
        if self._limits and self._limits.holds_memory:
            return self._limits.was_out_of_memory()
        _, resident = usage.of_processes(members)  # counts what they share for each of them
        return self._is_oversized(resident) and self._is_oversized(usage.memory_of(members))

    def _is_oversized(self, used: int) -> bool:
        return 0 < self._memory_mebibytes < used / _MEBIBYTE

    def _is_cancelled(self) -> bool:
        with contextlib.suppress(OSError):
            return self._cancelled or self._job.is_cancelled() or self._job.is_removed()
        return False

    def _terminate(self, age: float, reason: str) -> None:
        self._kill_at = age + self._spec["grace_seconds"]
        self._log.write(SUPERVISOR, [f"{reason}: sending SIGTERM".encode()])
        for pid in tree.of_this_process():
            tree.send(pid, signal.SIGTERM)

    def _write_usage(self, cpu_seconds: float, memory_bytes: int) -> None:
        self._peak_bytes = max(self._peak_bytes, memory_bytes)
        reading = {
            "at": time.time(),
            "cpu_seconds": cpu_seconds,
            "wall_seconds": time.monotonic() - self._started,
            "peak_memory_bytes": self._peak_bytes,
        }
        with contextlib.suppress(OSError):  # a full disk; the next reading may fit
            files.write_json(self._job.file("usage.json"), reading, durable=False)

    def _signals(self) -> int:
        """A descriptor that becomes readable when a child ends or the job is cancelled."""
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGUSR1, self._see_cancelled)
        return readable

    def _see_cancelled(self, *_: object) -> None:
        self._cancelled = True
        self._look_at = 0.0

    def _see_keeper_gone(self, _: int) -> None:
        self._deserted = True


def failed(message: str) -> dict[str, Any]:
    """The outcome of a job that has failed for good."""
    return {"state": states.FAILED, "message": message}


def _copy(pipe: int, sink: Sink) -> bool:
    """Pass on what is in a pipe. False at its end."""
    data = os.read(pipe, PIPE_BYTES)
    sink(data)
    return bool(data)


def _drain(descriptor: int) -> None:
    os.read(descriptor, PIPE_BYTES)
