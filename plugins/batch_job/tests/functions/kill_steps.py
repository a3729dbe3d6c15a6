"""Ends this process by SIGKILL at the n-th step from now on; a step is whatever others can see of it.

Files opened to be written, renamed, linked, locked and removed, and processes started: Python audits them
(https://docs.python.org/3/library/audit_events.html). In a service, `KILL_AT_STEP` has the number, and
the first step is that of the first create.
"""

from __future__ import annotations

import os
import signal
import sys

_STEPS = {
    *("os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"),
    *("subprocess.Popen", "os.posix_spawn", "os.fork", "fcntl.flock", "fcntl.lockf", "socket.connect"),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_at(step: int, below: str = "") -> None:
    """Begin to count.

    Args:
        step: The number of the step at which this process ends.
        below: Begin with the first one that has this in its path.
    """
    left, own, has_begun = [step], os.getpid(), [not below]

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if not has_begun[0]:
            has_begun[0] = any(below in str(argument) for argument in arguments)
        if (
            not has_begun[0]
            or os.getpid() != own
            or not (event in _STEPS or (event == "open" and _is_written(arguments)))
        ):
            return
        left[0] -= 1
        if not left[0]:
            os.kill(own, signal.SIGKILL)

    sys.addaudithook(audit)


def _is_written(arguments: tuple[object, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(flags, int) and bool(flags & _WRITING) and "__pycache__" not in str(path)


if "KILL_AT_STEP" in os.environ:
    kill_at(int(os.environ["KILL_AT_STEP"]), os.environ["FLYTE_BATCH_JOB_SPOOL"])
