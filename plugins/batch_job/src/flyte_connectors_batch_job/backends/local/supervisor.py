"""The process that runs one job, from its claim to its outcome.

It starts the job's command, copies what the job prints to the log until the command ends, and looks
every `TICK_SECONDS` whether the job was cancelled or has used up its time. Then it ends all that is
left of the job, and only then writes the outcome.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import time

from flyte_connectors_batch_job.backends.local import (
    cgroup,
    command,
    files,
    kernel,
    outputs,
    processes,
    tree,
    usage,
)
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local.log import (
    STDERR,
    STDOUT,
    SUPERVISOR,
    LineSplitter,
    LogWriter,
)
from flyte_connectors_batch_job.backends.local.records import Records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import IO, Any

    from flyte_connectors_batch_job.backends.local.job import Job

TICK_SECONDS = 0.2
USAGE_SECONDS = 1.0
RETRY_SECONDS = 1.0
PIPE_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 1024

_MEBIBYTE = 1024 * 1024

KEEPER_GONE = "the job's keeper was killed"


def begin(job: Job, lock: int, group: str, keeper: int) -> Records | OSError:
    """Make this process the job's supervisor, and write that down.

    Args:
        job: The job.
        lock: Descriptor of the lock that the keeper has taken.
        group: The job's control group, or empty.
        keeper: The keeper's process id.

    Returns:
        What was written down, or why that failed.
    """
    os.setsid()
    kernel.adopt_orphans()
    signal.signal(signal.SIGUSR1, lambda *_: None)  # a cancellation may come at once
    records = Records(job, lock, group, keeper)
    try:
        records.begin()
    except OSError as error:
        return error
    return records


def run(job: Job, records: Records, group: str, keeper_gone: int) -> None:
    """Run the job to its end.

    Args:
        job: The job.
        records: What was written down at its beginning.
        group: The job's control group, or empty.
        keeper_gone: Descriptor that ends when the keeper does.
    """
    outcome = _run(job, records, group, keeper_gone)
    tree.end_all(group)
    cgroup.remove(group)
    record(job, outcome)


def record(job: Job, outcome: dict[str, Any]) -> None:
    """Write the outcome, as soon as the spool can be written: the result is not lost."""
    while True:
        try:
            job.end(outcome)
        except OSError:  # full, read-only or unavailable for a while
            if job.is_removed():
                return
            time.sleep(RETRY_SECONDS)
            with contextlib.suppress(OSError):
                job.reopen()
        else:
            return


def _run(job: Job, records: Records, group: str, keeper_gone: int) -> dict[str, Any]:
    if job.is_cancelled():
        return {"state": states.ABORTED}
    spec = job.spec()
    try:
        log = LogWriter(job.file("log"))  # before the job can close the directory
        process, folder = command.start(job, spec, group)
    except OSError as error:
        message = f"can't start {error.filename or 'the job'}: {error.strerror}"
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return {"state": states.LOST, "message": message} if is_full else _failed(message)
    watch = _Watch(job, spec, records, log, process)
    watch.until_end(keeper_gone)
    watch.end_all(group)
    return watch.outcome(folder)


class _Watch:
    """A running command, watched until it ends."""

    def __init__(
        self,
        job: Job,
        spec: dict[str, Any],
        records: Records,
        log: LogWriter,
        process: subprocess.Popen[bytes],
    ) -> None:
        self._job = job
        self._spec = spec
        self._records = records
        self._process = process
        self._status: int | None = None
        self._log = log
        self._streams = {STDOUT: LineSplitter(), STDERR: LineSplitter()}
        self._started = time.monotonic()
        self._cancelled = self._overdue = self._deserted = self._oversized = False
        self._memory_mebibytes = (spec.get("memory_bytes") or 0) / _MEBIBYTE
        self._look_at = 0.0
        self._kill_at: float | None = None
        self._usage_at = USAGE_SECONDS
        self._peak_bytes = 0

    def until_end(self, keeper_gone: int) -> None:
        """Watch until the command has ended, or has to be killed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals(), selectors.EVENT_READ, _drain)
            selector.register(keeper_gone, selectors.EVENT_READ, self._see_keeper_gone)
            for source, pipe in self._pipes():
                selector.register(pipe, selectors.EVENT_READ, source)
            while not self._is_over():
                for key, _ in selector.select(TICK_SECONDS):
                    if callable(key.data):
                        key.data(key.fd)
                    elif not self._copy(key.data, key.fd):
                        selector.unregister(key.fileobj)
                self._note_ended(tree.reap()[0])
                age = time.monotonic() - self._started
                if age >= self._look_at:
                    self._look_at = age + TICK_SECONDS
                    self._look(age)

    def end_all(self, group: str) -> None:
        """Kill whatever is left of the job; return when nothing is."""
        self._note_ended(tree.end_all(group))
        with contextlib.suppress(OSError):
            self._job.reopen()
        self._copy_rest()
        self._write_usage(*usage.of_finished_children())

    def outcome(self, folder: int) -> dict[str, Any]:
        """How the job ended. `folder` is a descriptor of its folder."""
        if self._is_cancelled():
            return {"state": states.ABORTED}
        if self._deserted:
            return {"state": states.LOST, "message": KEEPER_GONE}
        if self._overdue:
            return _failed(f"exceeded its time limit of {self._spec['timeout_seconds']:g} s")
        if self._oversized or self._is_oversized(usage.of_finished_children()[1]):
            return _failed(f"exceeded its memory limit of {self._memory_mebibytes:g} MiB")
        return self._failure() or self._success(folder)

    def _failure(self) -> dict[str, Any] | None:
        """How the command failed, by its exit code; None if it did not."""
        assert self._status is not None
        code = os.waitstatus_to_exitcode(self._status)
        if not code:
            return None
        end = f"ended with exit code {code}" if code > 0 else f"was killed by {_signal(-code)}"
        last = _text(self._streams[STDERR].last)
        message = f"the job {end}" + (f": {last}" if last else "")
        may_retry = code in self._spec.get("retry_exit_codes", ())
        return {"state": states.LOST, "message": message} if may_retry else _failed(message)

    def _success(self, folder: int) -> dict[str, Any]:
        try:
            results = outputs.collect(
                folder,
                self._spec["outputs"],
                self._spec["line_output"],
                _text(self._streams[STDOUT].last),
            )
        except outputs.OutputsError as error:
            return _failed(str(error))
        return {"state": states.SUCCEEDED, "outputs": results}

    def _is_over(self) -> bool:
        overstayed = self._kill_at is not None and time.monotonic() - self._started >= self._kill_at
        return self._status is not None or overstayed or self._deserted or self._oversized

    def _note_ended(self, statuses: dict[int, int]) -> None:
        status = statuses.get(self._process.pid)
        if status is not None:
            self._status = status
            self._process.returncode = os.waitstatus_to_exitcode(status)

    def _pipes(self) -> list[tuple[bytes, IO[bytes]]]:
        assert self._process.stdout
        assert self._process.stderr
        return [(STDOUT, self._process.stdout), (STDERR, self._process.stderr)]

    def _copy(self, source: bytes, pipe: int) -> bool:
        """Log what is in the pipe. False at its end."""
        data = os.read(pipe, PIPE_BYTES)
        self._log.write(source, self._streams[source].feed(data))
        return bool(data)

    def _copy_rest(self) -> None:
        # What is there, and no more: a process outside of the job may hold the pipe open for ever.
        for source, pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(BlockingIOError):
                while self._copy(source, pipe.fileno()):
                    pass
            self._log.write(source, self._streams[source].close())

    def _look(self, age: float) -> None:
        """See to the time limit, to a cancellation, to the keeper and to the files."""
        with contextlib.suppress(
            OSError
        ):  # full, read-only or unavailable: retried at the next tick
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
            if age >= self._usage_at:
                self._usage_at = age + USAGE_SECONDS
                self._write_usage(*usage.of_processes(members))
            if self._memory_mebibytes:
                self._limit_memory(members)

    def _limit_memory(self, members: list[int]) -> None:
        _, resident = usage.of_processes(members)  # counts what they share for each of them
        if self._is_oversized(resident) and self._is_oversized(usage.memory_of(members)):
            self._oversized = True
            self._log.write(SUPERVISOR, [b"memory limit exceeded: sending SIGKILL"])

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


def _drain(descriptor: int) -> None:
    os.read(descriptor, PIPE_BYTES)


def _failed(message: str) -> dict[str, Any]:
    return {"state": states.FAILED, "message": message}


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:MESSAGE_CHARACTERS]


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"
