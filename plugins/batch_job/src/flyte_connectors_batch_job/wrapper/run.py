"""The wrapper as a program: fetches files, runs the command, stores outputs, writes the outcome.

An engine starts it in place of the command, in the command's environment. What the command prints is passed on
to stdout and stderr, in lines with the secrets masked if its variables hold some. The exit code is the command's own, 128 and the signal's number if one killed it, or
`EXIT_WRAPPER` if the command ended well and its outputs are wrong, or if it could not be started.

The outcome is JSON, written when none of the command's processes is alive any more:

    state        succeeded, failed, or lost: another attempt may help
    message      why, in one line
    outputs      by name, if it succeeded
    exit_code    of the command; negative for a signal; null if it did not start
    cpu_seconds, wall_seconds, peak_memory_bytes
    host, at     where, and when in seconds since 1970
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors_batch_job.backends.local import job_secrets, kernel, outputs, tree
from flyte_connectors_batch_job.backends.local.log import LineSplitter
from flyte_connectors_batch_job.wrapper import endings, forked, preparing
from flyte_connectors_batch_job.wrapper.faults import TransferError

if TYPE_CHECKING:
    from collections.abc import Callable

SUCCEEDED = "succeeded"
FAILED = "failed"
LOST = "lost"

EXIT_WRAPPER = 125
_INDEX = "BATCH_JOB_INDEX"

_TICK_SECONDS = 1.0
_PIPE_BYTES = 64 * 1024
_RECORD_SECONDS = (0, 1, 5, 30)  # pauses before each attempt to write the outcome
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(spec: dict[str, Any]) -> int:
    """Run a job.

    Args:
        spec: As `packing.script` writes it.

    Returns:
        The exit code.
    """
    run = _Run(_indexed(spec))
    folder = tempfile.mkdtemp(prefix=f"batch-job-{spec['id']}-", dir=spec.get("folder"))
    try:
        outcome = run.outcome(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    is_recorded = _record(spec["outcome"], outcome)
    code = outcome["exit_code"]
    if code:
        return int(code) if code > 0 else 128 - int(code)
    return 0 if is_recorded and outcome["state"] == SUCCEEDED else EXIT_WRAPPER


def _indexed(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec of one job of an array: its outputs and its outcome have a separate place."""
    variable = spec.get("index_variable")
    if variable is None:
        return spec
    index = os.environ[variable]
    spec["outcome"] = spec["outcome"].replace("{index}", index)
    spec["env"] = {**spec["env"], _INDEX: index}
    if spec.get("files"):
        prefix = f"{spec['files']['prefix']}/{index}"
        spec["files"] = {**spec["files"], "prefix": prefix}
    return spec


class _Run:
    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._limit: int = spec.get("limit_bytes", 0)
        self._mask = job_secrets.mask_of(job_secrets.listed(os.environ))
        self._splitters = (LineSplitter(self._mask), LineSplitter(self._mask))
        self._code: int | None = None
        self._signal = 0
        self._started = time.monotonic()
        self._cpu_seconds = 0.0
        self._peak_bytes = 0

    def outcome(self, folder: str) -> dict[str, Any]:
        """Run the job in a new folder. Returns how it ended."""
        kernel.adopt_orphans()
        for number in _SIGNALS:
            signal.signal(number, self._see_signal)
        try:
            result = self._run(folder)
        except TransferError as error:
            result = {"state": LOST if error.may_retry else FAILED, "message": str(error)}
        except outputs.OutputsError as error:
            result = {"state": FAILED, "message": str(error)}
        except OSError as error:
            result = {"state": LOST, "message": f"{error.filename or 'the job'}: {error.strerror}"}
        if self._signal:
            name = signal.Signals(self._signal).name
            result = {"state": LOST, "message": f"the engine ended the job with {name}"}
        return {
            "message": None,
            "outputs": None,
            **result,
            "exit_code": self._code,
            "cpu_seconds": self._cpu_seconds,
            "wall_seconds": time.monotonic() - self._started,
            "peak_memory_bytes": self._peak_bytes,
            "host": socket.gethostname(),
            "at": time.time(),
        }

    def _run(self, folder: str) -> dict[str, Any]:
        spec, plan = self._spec, self._spec.get("files")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        preparing.make_folder(folder, spec)
        if plan and plan["inputs"]:
            self._staged(lambda staging: staging.fetch(plan, folder, self._limit))
        try:
            self._command(folder)
        except OSError as error:
            message = f"can't start {error.filename or 'the job'}: {error.strerror}"
            return {"state": FAILED, "message": message}
        if self._code:
            return self._failure(self._code)
        stored = plan["outputs"] if plan else ()
        last = endings.text(self._splitters[0].last)
        written = outputs.collect(descriptor, spec["outputs"], spec["line_output"], last, stored)
        if stored and not self._signal:
            written = self._staged(
                lambda staging: staging.Outputs(plan, descriptor, folder, self._limit).store(written)
            )
        return {"state": SUCCEEDED, "outputs": written}

    def _staged(self, function: Callable[[Any], Any]) -> Any:
        def call() -> Any:
            from flyte_connectors_batch_job.wrapper import staging  # in the child alone

            return function(staging)

        return forked.call(call)

    def _command(self, folder: str) -> None:
        """Run the command to its end, and end what it has left."""
        spec = self._spec
        variables = {**os.environ, **preparing.variables(spec["id"], folder, spec)}
        process = subprocess.Popen(  # noqa: S603  (to run the user's command is the whole point)
            preparing.program(folder, spec),
            cwd=preparing.directory(folder, spec),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        pipes = (process.stdout.fileno(), process.stderr.fileno())
        with selectors.DefaultSelector() as selector:
            selector.register(_wakeups(), selectors.EVENT_READ)
            for place, pipe in enumerate(pipes):
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ, place)
            while self._code is None:
                for key, _ in selector.select(_TICK_SECONDS):
                    if key.data is None:
                        os.read(key.fd, _PIPE_BYTES)
                    elif not self._pass_on(key.data, key.fd):
                        selector.unregister(key.fd)
                self._note_ended(process, tree.reap()[0])
        self._note_ended(process, tree.end_all())
        for place, pipe in enumerate(pipes):
            while self._pass_on(place, pipe):
                pass
            self._print(place, self._splitters[place].close())

    def _note_ended(self, process: subprocess.Popen[bytes], ended: dict[int, tree.Ended]) -> None:
        for pid, child in ended.items():
            self._cpu_seconds += child.cpu_seconds
            self._peak_bytes = max(self._peak_bytes, child.peak_bytes)
            if pid == process.pid and self._code is None:
                self._code = process.returncode = child.exit_code

    def _pass_on(self, place: int, pipe: int) -> bool:
        """Copy what is in a pipe to stdout or stderr. False if there is nothing more now."""
        try:
            data = os.read(pipe, _PIPE_BYTES)
        except BlockingIOError:
            return False
        lines = self._splitters[place].feed(data)
        if self._mask is None:
            _write(place, data)
        else:
            self._print(place, lines)
        return bool(data)

    def _print(self, place: int, lines: list[bytes]) -> None:
        """Write lines that were masked to stdout or stderr; those of a job without secrets are there as they came."""
        if self._mask is not None:
            _write(place, b"".join(line + b"\n" for line in lines))

    def _failure(self, code: int) -> dict[str, Any]:
        may_retry = code in self._spec.get("retry_exit_codes", ())
        message = endings.failure(code, self._splitters[1].last)
        return {"state": LOST if may_retry else FAILED, "message": message}

    def _see_signal(self, number: int, _: object) -> None:
        self._signal = number
        for pid in tree.of_this_process():
            tree.send(pid, number)


def _write(place: int, data: bytes) -> None:
    rest = memoryview(data)
    with contextlib.suppress(OSError):  # nobody reads it any more
        while rest:
            rest = rest[os.write(place + 1, rest) :]


def _record(uri: str, outcome: dict[str, Any]) -> bool:
    """Write the outcome; the storage may be unavailable for a while."""
    data = json.dumps(outcome).encode()

    def write() -> None:
        from flyte_connectors_batch_job.wrapper import storage

        storage.store_bytes(data, uri)

    fault = ""
    for pause in _RECORD_SECONDS:
        time.sleep(pause)
        try:
            forked.call(write)
        except TransferError as error:
            fault = str(error)
        else:
            return True
    sys.stderr.write(f"the outcome of the job can't be stored: {fault}\n")
    return False


def _wakeups() -> int:
    """A descriptor that becomes readable when a child ends."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return readable
