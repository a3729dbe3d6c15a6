"""The process that runs one job, from its claim to its outcome.

`main` detaches, claims the job, tells the launcher, and runs the job's command in a process group.
Then it copies what the job prints to the log until the command ends, looking every `TICK_SECONDS`
whether the job was cancelled or has used up its time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import time

from flyte_connectors_batch_job.runner import environment, files, outputs, usage
from flyte_connectors_batch_job.runner import job as states
from flyte_connectors_batch_job.runner.group import ProcessGroup
from flyte_connectors_batch_job.runner.job import Job
from flyte_connectors_batch_job.runner.log import (
    STDERR,
    STDOUT,
    SUPERVISOR,
    LineSplitter,
    LogWriter,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

READY = b"ready"
TICK_SECONDS = 0.2
USAGE_SECONDS = 1.0
FULL_DISK_SECONDS = 1.0
PIPE_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 1024


def main(path: str, launcher: int) -> None:
    """Run the job of a directory, unless some process has done so before.

    Args:
        path: The job's directory.
        launcher: Descriptor that is told `READY` once the job is claimed, or else an error's text.
    """
    if os.fork():
        os._exit(0)  # the launcher reaps this one; init adopts the other
    job = Job(path)
    try:
        claimed = job.claim()
    except OSError as error:
        _tell(launcher, str(error).encode())
        return
    _tell(launcher, READY)
    if claimed:
        _record(job, _run(job))


def _tell(launcher: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it may have been killed; the job goes on
        os.write(launcher, text)
    os.close(launcher)


def _run(job: Job) -> dict[str, Any]:
    spec = job.spec()
    group = ProcessGroup()
    try:
        watch = _Watch(job, spec, group, _start(job, spec, group))
    except OSError as error:
        group.end()
        message = f"can't start {error.filename or 'the job'}: {error.strerror}"
        return {"state": states.LOST, "message": message} if _is_full(error) else _failed(message)
    return watch.until_end()


def _start(job: Job, spec: dict[str, Any], group: ProcessGroup) -> subprocess.Popen[bytes]:
    files.write_json(job.file("inputs.json"), spec["inputs"], durable=False)
    directory = spec["working_directory"]
    if directory is None:
        directory = job.file("work")
        os.mkdir(directory)
    return subprocess.Popen(  # noqa: S603  (to run the user's command is the whole point)
        _command(job, spec),
        cwd=directory,
        env=environment.of_job(job, spec),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=group.join,  # noqa: PLW1509  (there are no threads here; process_group= is 3.11)
    )


def _command(job: Job, spec: dict[str, Any]) -> list[str]:
    if spec["script"] is None:
        command: list[str] = spec["command"]
        return command
    path = job.file("script")
    with open(path, "x", encoding="utf-8") as file:
        file.write(spec["script"])
    os.chmod(path, 0o700)
    return [path] if spec["script"].startswith("#!") else ["/bin/sh", path]


class _Watch:
    """A running command, watched until it ends."""

    def __init__(
        self, job: Job, spec: dict[str, Any], group: ProcessGroup, process: subprocess.Popen[bytes]
    ) -> None:
        self._job = job
        self._spec = spec
        self._group = group
        self._process = process
        self._log = LogWriter(job.file("log"))
        self._streams = {STDOUT: LineSplitter(), STDERR: LineSplitter()}
        self._started = time.monotonic()
        self._overdue = False
        self._kill_at: float | None = None
        self._usage_at = USAGE_SECONDS
        self._peak_bytes = 0

    def until_end(self) -> dict[str, Any]:
        """Watch until the command ends. Returns its outcome."""
        with selectors.DefaultSelector() as selector:
            selector.register(_child_exits(), selectors.EVENT_READ)
            for source, pipe in self._pipes():
                selector.register(pipe, selectors.EVENT_READ, source)
            while self._process.poll() is None:
                for key, _ in selector.select(TICK_SECONDS):
                    if key.data is None:
                        os.read(key.fd, PIPE_BYTES)
                    elif not self._copy(key.data, key.fd):
                        selector.unregister(key.fileobj)
                self._enforce_end()
                self._measure()
        self._group.end()
        self._copy_rest()
        self._write_usage(*usage.of_finished_children())
        return self._outcome()

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
        # What is there, and no more: a daemon that left the group may hold the pipe open for ever.
        for source, pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(BlockingIOError):
                while self._copy(source, pipe.fileno()):
                    pass
            self._log.write(source, self._streams[source].close())

    def _enforce_end(self) -> None:
        """SIGTERM when the job is cancelled or overdue, SIGKILL after the grace time."""
        age = time.monotonic() - self._started
        if self._kill_at is not None:
            if age >= self._kill_at:
                self._group.signal(signal.SIGKILL)
        elif age >= self._spec["timeout_seconds"]:
            self._overdue = True
            self._terminate(age, "time limit reached")
        elif not self._job.exists() or self._job.outcome() is not None:
            self._terminate(age, "cancelled")

    def _terminate(self, age: float, reason: str) -> None:
        self._kill_at = age + self._spec["grace_seconds"]
        self._log.write(SUPERVISOR, [f"{reason}: sending SIGTERM".encode()])
        self._group.signal(signal.SIGTERM)

    def _measure(self) -> None:
        age = time.monotonic() - self._started
        if age >= self._usage_at:
            self._usage_at = age + USAGE_SECONDS
            self._write_usage(*usage.of_processes(self._process.pid))

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

    def _outcome(self) -> dict[str, Any]:
        code = self._process.returncode
        if self._overdue:
            return _failed(f"exceeded its time limit of {self._spec['timeout_seconds']:g} s")
        if code:
            end = f"ended with exit code {code}" if code > 0 else f"was killed by {_signal(-code)}"
            last = _text(self._streams[STDERR].last)
            return _failed(f"the job {end}" + (f": {last}" if last else ""))
        try:
            results = outputs.collect(
                self._job.file("outputs.json"),
                self._spec["outputs"],
                self._spec["line_output"],
                _text(self._streams[STDOUT].last),
            )
        except outputs.OutputsError as error:
            return _failed(str(error))
        return {"state": states.SUCCEEDED, "outputs": results}


def _child_exits() -> int:
    """A descriptor that becomes readable when a child ends."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return readable


def _record(job: Job, outcome: dict[str, Any]) -> None:
    """Write the outcome, waiting for space while the disk is full: the result is not lost."""
    while True:
        try:
            job.settle(outcome)
            break
        except OSError as error:
            if not _is_full(error):
                raise
            time.sleep(FULL_DISK_SECONDS)


def _is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _failed(message: str) -> dict[str, Any]:
    return {"state": states.FAILED, "message": message}


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:MESSAGE_CHARACTERS]


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"
