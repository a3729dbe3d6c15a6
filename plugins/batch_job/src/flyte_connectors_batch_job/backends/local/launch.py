"""Starting a job's keeper and supervisor, and waiting until the job has begun."""

from __future__ import annotations

import os
import select
import subprocess
import sys

from flyte_connectors_batch_job.backends.local import tree
from flyte_connectors_batch_job.backends.local.keeper import READY

TYPE_CHECKING = False
if TYPE_CHECKING:
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

START_SECONDS = 30.0
_MESSAGE_BYTES = 4096


class LaunchError(Exception):
    """The supervisor did not start, or did not say so.

    Attributes:
        may_begin: Whether the job may begin all the same; else nothing of it runs.
    """

    def __init__(self, message: str, *, may_begin: bool) -> None:
        super().__init__(message)
        self.may_begin = may_begin


def launch(job: Job) -> None:
    """Start a keeper and a supervisor for the job; return when it has begun, by them or by others.

    They are in separate sessions, are not children of this process and share none of its descriptors, so they
    neither die with the service nor keep its port open.

    Raises:
        LaunchError: no supervisor claimed the job.
        OSError: no process could be started.
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment[tree.GUARDIAN_MARK] = job.mark
    answer, launcher = os.pipe()
    try:
        with open(job.file("supervisor.err"), "ab", opener=_open_own) as errors:
            process = subprocess.Popen(  # noqa: S603  (our own program, no shell)
                [sys.executable, "-I", "-S", os.path.dirname(__file__), job.path, str(launcher)],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[launcher],
                start_new_session=True,
            )
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(launcher)
    with process:
        text = _read(answer)
    if text != READY:
        if text is None:
            message = f"no answer within {START_SECONDS:g} s"
        else:
            message = text.decode(errors="replace") or "it ended at once"
        raise LaunchError(message, may_begin=not text)


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
