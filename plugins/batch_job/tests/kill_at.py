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

real_fork = os.fork
steps = 0
victim = os.getpid()
deadly_step = int(sys.argv[5])


def count(*_: object) -> None:
    """The audit hook."""
    global steps
    if os.getpid() == victim:
        steps += 1
        if steps == deadly_step:
            os.kill(victim, signal.SIGKILL)


def fork_and_follow() -> int:
    """The first fork makes the supervisor: from then on it is the victim."""
    global victim
    os.fork = real_fork
    pid = real_fork()
    if not pid:
        victim = os.getpid()
    return pid


def main() -> None:
    verb, root, job_id, script = sys.argv[1:5]
    spec = {
        "command": None,
        "script": script,
        "env": {},
        "working_directory": None,
        "timeout_seconds": 60,
        "grace_seconds": 5,
        "inputs": {"x": 1},
        "outputs": ["result"],
        "line_output": "result",
    }
    spool = Spool(root)
    sys.addaudithook(count)
    if verb == "submit":
        spool.submit(job_id, spec)
    else:
        os.fork = fork_and_follow
        supervisor.main(spool.job(job_id).path, os.dup(1))
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
