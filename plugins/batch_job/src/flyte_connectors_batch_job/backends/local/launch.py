"""Starting a job's keeper and supervisor, and waiting until the job has begun."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys

from flyte_connectors_batch_job.backends.local import processes, slots, storage_settings, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.local.job import Job

INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TMPDIR",
    "TZ",
    "USER",
)
"""Variables of the service that its jobs see. No others: the service's hold credentials."""

READY = b"ready"
START_SECONDS = 30.0
_MESSAGE_BYTES = 4096


class LaunchError(Exception):
    """The supervisor did not start, or did not say so. The job is in the queue, and may begin yet."""


def launch(job: Job, slot: int) -> None:
    """Start a keeper and a supervisor for the job; return when it has begun, by them or by others.

    Args:
        job: The job.
        slot: Descriptor that holds the job's slots.

    Raises:
        LaunchError: no supervisor claimed the job.
        OSError: no process could be started.
    """
    _reap_keepers()
    process, answer = start(job, slot, storage_settings.of_environment())
    with process:
        text = _read(answer)
    if text != READY:
        if text is None:
            message = f"no answer within {START_SECONDS:g} s"
        else:
            message = text.decode(errors="replace") or "it ended at once"
        raise LaunchError(message)


def start(job: Job, slot: int, storage: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a keeper and a supervisor for the job.

    They are in separate sessions, are not children of this process and share none of its
    descriptors but `slot`, so they neither die with the service nor keep its port open.

    Args:
        job: The job.
        slot: Descriptor that holds the job's slots.
        storage: The service's settings for storage.

    Returns:
        A process that ends soon, and a descriptor to read `READY` or an error from.

    Raises:
        OSError: no process could be started.
    """
    passed = (*INHERITED, *slots.VARIABLES)
    environment = {name: os.environ[name] for name in passed if name in os.environ}
    environment[tree.GUARDIAN_MARK] = job.mark
    settings = storage_settings.send(storage)
    answer, launcher = os.pipe()
    passed_on = (launcher, slot, settings)
    program = [sys.executable, "-I", "-S", os.path.dirname(__file__)]
    try:
        with open(job.file("supervisor.err"), "ab", opener=_open_own) as errors:
            process = subprocess.Popen(  # noqa: S603  (our own program, no shell)
                [*program, job.path, *map(str, passed_on)],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=passed_on,
                start_new_session=True,
            )
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(launcher)
        os.close(settings)
    return process, answer


def _reap_keepers() -> None:
    """Reap keepers that have ended, where they are children of this process: it is process 1 of a container."""
    if os.getpid() != 1:
        return
    for pid in processes.read("/proc/self/task/1/children").split():
        if b" (keeper) Z " in processes.read(f"/proc/{int(pid)}/stat"):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(pid), os.WNOHANG)


def _open_own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _read(answer: int) -> bytes | None:
    """What the supervisor says; empty if it has ended, None if it has not said anything in time."""
    with open(answer, "rb", buffering=0) as file:
        poll = select.poll()
        poll.register(answer, select.POLLIN)
        if not poll.poll(START_SECONDS * 1000):
            return None
        return file.read(_MESSAGE_BYTES)
