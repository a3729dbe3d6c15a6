"""Submits, keeps or supervises a job, and is killed by SIGKILL at the n-th step of it.

    python kill_at.py submit|keep|supervise <spool> <job id> <script> <n> [queue] [files] [array] [function <prefix>]

With `function`, the job calls `counted.jobs.counted` with the file `$ROWS`, and `<script>` is the file for its marks. With `queue`, keeper and supervisor hold a slot that they got from the spool's queue. With `files`, the job has
an input file and an output file. With `array`, it is an array of three.

A step is whatever Python audits: each file opened, renamed, linked or removed, each process started
(https://docs.python.org/3/library/audit_events.html). Prints `done` if there was no n-th step.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from flyte_connectors_batch_job.backends.local import keeper, tree
from flyte_connectors_batch_job.backends.local.queue import Queue
from flyte_connectors_batch_job.backends.local.spool import Spool


class Killer:
    """Counts the steps of one process, and kills it at the deadly one.

    Args:
        deadly_step: The step at which it is killed.
        forks: How many forks away the process is from this one.
    """

    def __init__(self, deadly_step: int, forks: int) -> None:
        self.steps_left = deadly_step
        self.victim = 0 if forks else os.getpid()
        self._forks = forks
        self._fork = os.fork

    def audit(self, *_: object) -> None:
        """The audit hook."""
        if os.getpid() == self.victim:
            self.steps_left -= 1
            if self.steps_left == 0:
                os.kill(self.victim, signal.SIGKILL)

    def fork(self) -> int:
        """Fork; the first fork makes the keeper, the second the supervisor."""
        pid = self._fork()
        if not pid:
            self._forks -= 1
            if not self._forks:
                self.victim = os.getpid()
        return pid


FORKS = {"submit": 0, "keep": 1, "supervise": 2}


def function_spec(marks: str, prefix: str) -> dict[str, Any]:
    """What the connector makes of a function."""
    from counted.jobs import counted
    from flyte_connectors import File
    from flyte_connectors_batch_job.backends.local.backend import _spec
    from flyte_connectors_batch_job.request import job_request

    inputs = {"marks": marks, "rows": File(os.environ["ROWS"])}
    request = job_request(counted.to_proto(), inputs, prefix, None, sys.executable)
    request.inputs["call"]["report"] = ""
    return _spec(request)


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
    if "files" in sys.argv:
        spec["files"] = {
            "inputs": [{"at": ["in"], "kind": "file", "uri": __file__}],
            "outputs": {"out": "file"},
            "prefix": f"{root}-stored/{job_id}",
        }
        spec = {**spec, "inputs": {"in": __file__}, "outputs": ["out"], "line_output": None}
    if "array" in sys.argv:
        spec["array"] = 3
    if "function" in sys.argv:
        spec = function_spec(marks=script, prefix=sys.argv[-1])
    spool = Spool(root)
    slot = keeper.NO_SLOT
    if "queue" in sys.argv:
        [(_, slot)] = Queue(root, spool.id).admit([spool.job(job_id)])
    killer = Killer(int(sys.argv[5]), FORKS[verb])
    if verb == "submit":
        sys.addaudithook(killer.audit)
        spool.submit(job_id, spec)
    else:
        job = spool.job(job_id)
        if not job.exists():
            spool._publish(job, spec)
        os.environ[tree.GUARDIAN_MARK] = job.mark
        os.fork = killer.fork
        sys.addaudithook(killer.audit)
        keeper.main(job.path, os.dup(1), slot)
    if os.getpid() == killer.victim:
        sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
