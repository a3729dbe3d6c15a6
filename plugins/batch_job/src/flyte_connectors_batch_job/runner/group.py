"""The job's process group, which never outlives its supervisor.

The group's first member is a *keeper*: a fork of the supervisor that does nothing but wait. It
gives the group an id that can't be reused before the supervisor has reaped it, and when the
supervisor dies by any death, `kill -9` included, it kills the whole group. So a job that is
reported lost isn't running somewhere still while Flyte starts its next attempt.
"""

from __future__ import annotations

import os
import signal


class ProcessGroup:
    """A new process group with its keeper in it. Not for processes with threads: it forks."""

    def __init__(self) -> None:
        ours, self._until_we_die = os.pipe()
        self.id = os.fork()
        if self.id == 0:
            _keep(ours)
        os.close(ours)
        self.join(self.id)

    def join(self, pid: int = 0) -> None:
        """Put a process, by default this one, into the group."""
        os.setpgid(pid, self.id)

    def signal(self, number: int) -> None:
        """Signal every member; the keeper takes only SIGKILL."""
        os.killpg(self.id, number)

    def end(self) -> None:
        """Kill whatever is left in the group, and the keeper with it."""
        self.signal(signal.SIGKILL)
        os.waitpid(self.id, 0)
        os.close(self._until_we_die)


def _keep(until_supervisor_dies: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.setpgid(0, 0)  # the supervisor does the same; whoever comes first
    # Anything else that is open here would stay open with us: the supervisor's lock, the log.
    os.dup2(until_supervisor_dies, 0)
    os.closerange(1, os.sysconf("SC_OPEN_MAX"))
    os.read(0, 1)  # nobody writes: this is the end of the last writer
    os.killpg(0, signal.SIGKILL)
