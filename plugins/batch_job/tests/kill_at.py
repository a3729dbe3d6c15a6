"""Submits or supervises a job, and is killed by SIGKILL at the n-th step of it.

    python kill_at.py submit|supervise <spool> <job id> <script> <n>

A step is whatever Python audits: each file opened, renamed, linked or removed, each process started
(https://docs.python.org/3/library/audit_events.html). Prints `done` if there was no n-th step.
"""

from __future__ import annotations

import os
import signal
import sys

from flyte_connectors_batch_job.runner import supervisor
from flyte_connectors_batch_job.runner.spool import Spool


class Killer:
    """Counts the steps of one process, and kills it at the deadly one."""

    def __init__(self, deadly_step: int) -> None:
        self.steps_left = deadly_step
        self.victim = os.getpid()
        self._fork = os.fork

    def audit(self, *_: object) -> None:
        """The audit hook."""
        if os.getpid() == self.victim:
            self.steps_left -= 1
            if self.steps_left == 0:
                os.kill(self.victim, signal.SIGKILL)

    def fork(self) -> int:
        """The first fork makes the supervisor: from then on that is the victim."""
        os.fork = self._fork
        pid = os.fork()
        if not pid:
            self.victim = os.getpid()
        return pid


def main() -> None:
    """Do as told."""
    verb, root, job_id, script = sys.argv[1:5]
    spec = {
        "command": None,
        "script": script,
        "env": {},
        "working_directory": None,
        "timeout_seconds": 300,
        "grace_seconds": 5,
        "inputs": {},
        "outputs": ["result"],
        "line_output": "result",
    }
    spool = Spool(root)
    killer = Killer(int(sys.argv[5]))
    sys.addaudithook(killer.audit)
    if verb == "submit":
        spool.submit(job_id, spec)
    else:
        os.fork = killer.fork
        supervisor.main(spool.job(job_id).path, os.dup(1))
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
