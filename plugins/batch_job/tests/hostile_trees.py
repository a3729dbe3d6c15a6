"""Jobs whose processes try to outlive them, and the count of those that do.

    python hostile_trees.py [jobs]      runs so many jobs, each tree with each end in turn

Each process of such a job carries the job's token in its command line, so that it is found whatever
else it has thrown away.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs import SPEC, wait_for

from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local import turns
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyte_connectors_batch_job.backends.local.job import Job

PYTHON = f"{sys.executable} -I -S"

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
os.closerange(0, 100)
if len(sys.argv) < 3:
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", sys.orig_argv[4], sys.argv[1], "bare"], {})
while True: time.sleep(1)
"""
"""Forks twice, leaves session, folder, files and environment."""

HOPPER = """
import os, time
while True:
    if os.fork(): os._exit(0)
    os.setsid()
    time.sleep(0.002)
"""
"""Is another process, in another session, every few milliseconds."""

FAMILY = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
for _ in range(3): os.fork()
os.setsid() if os.getpid() != os.getpgrp() else None
while True: time.sleep(1)
"""
"""Eight processes that ignore every signal that can be ignored, each in a session of its own."""

TREES = {
    "background": "sh -c 'sleep 600; : TOKEN' & ",
    "setsid": "setsid sh -c 'sleep 600; : TOKEN' & ",
    "nohup": "nohup sh -c 'sleep 600; : TOKEN' >/dev/null 2>&1 & ",
    "bare": "env -i setsid sh -c 'sleep 600; : TOKEN' >/dev/null 2>&1 </dev/null & ",
    "stopped": "setsid sh -c 'kill -STOP $$; : TOKEN' & ",
    "daemon": f"{PYTHON} -c '{DAEMON}' TOKEN; ",
    "hopper": f"{PYTHON} -c '{HOPPER}' TOKEN & ",
    "family": f"{PYTHON} -c '{FAMILY}' TOKEN & ",
    "fifo": 'mkfifo "$BATCH_JOB_OUTPUTS"; setsid sh -c "sleep 600; : TOKEN" & ',
    "no lock": 'rm "$CONTROL"/supervisor.lock; setsid sh -c "sleep 600; : TOKEN" & ',
    "no records": 'rm "$CONTROL"/*.json; setsid sh -c "sleep 600; : TOKEN" & ',
    "forger": (
        'echo \'{"state": "succeeded", "outputs": {}}\' > "$CONTROL"/outcome.json; '
        "setsid sh -c 'sleep 600; : TOKEN' & "
    ),
    "killer": "setsid sh -c 'sleep 600; : TOKEN' & kill -9 $PPID; ",
    "stopper": "setsid sh -c 'sleep 600; : TOKEN' & kill -STOP $PPID; ",
}
"""What a job starts, in the shell. `TOKEN` becomes the job's token, `$CONTROL` its directory."""

SETTLE_SECONDS = 0.5  # for which a job runs before it is ended from outside


def alive(token: str) -> list[int]:
    """The processes that carry the token, zombies excepted."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes():  # a zombie has no command line
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def guardians(job: Job) -> list[int]:
    """The process ids of the job's keeper and supervisor."""
    return [pid for pid, _ in wait_for(job.guardians.names)]


def kill(*pids: int) -> None:
    """Kill processes, as nearly at once as one can; some trees have killed them themselves."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_all(job: Job) -> None:
    """Stop keeper and supervisor, then cancel the job."""
    for pid in guardians(job):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    turns.cancel(job)


ENDS: dict[str, Callable[[Job], None]] = {
    "success": lambda _: None,
    "time limit": lambda _: None,
    "delete": turns.cancel,
    "supervisor killed": lambda job: kill(guardians(job)[1]),
    "keeper killed": lambda job: kill(guardians(job)[0]),
    "both killed": lambda job: kill(*guardians(job)),
    "both stopped": stop_all,
}
"""How a job is ended, from outside or by itself."""


def run(spool: Spool, tree: str, end: str, token: str) -> tuple[str, int]:
    """Run a job to its end.

    Args:
        spool: Where.
        tree: One of `TREES`.
        end: One of `ENDS`.
        token: The job's id.

    Returns:
        The state in which it ended, and how many of its processes were alive when that was told.
    """
    ending = "sleep 0.3" if end == "success" else "sleep 600"
    script = f"CONTROL={spool.root}/{token}; {TREES[tree]} {ending}; : TOKEN".replace("TOKEN", token)
    limit = SETTLE_SECONDS if end == "time limit" else 300
    job = spool.submit(token, {**SPEC, "script": script, "timeout_seconds": limit, "grace_seconds": 0.2})
    if end not in ("success", "time limit"):
        time.sleep(SETTLE_SECONDS)
        if turns.state_of(job)["state"] not in states.ENDED:
            ENDS[end](job)
    ended = wait_for(lambda: (state := turns.state_of(job))["state"] in states.ENDED and state)
    left = len(alive(token))
    return ended["state"], left


def main() -> None:
    """Run many such jobs, eight at once, and tell how many processes outlived them."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else len(TREES) * len(ENDS)
    spool = Spool(tempfile.mkdtemp(prefix="hostile-"))
    cases = list(itertools.islice(itertools.cycle(itertools.product(TREES, ENDS)), jobs))
    tokens = [f"hostile-{os.getpid()}-{number}-x" for number in range(jobs)]

    def one(case: tuple[str, str], token: str) -> tuple[str, int, int]:
        state, at_once = run(Spool(spool.root), *case, token)
        time.sleep(1)
        return state, at_once, len(alive(token))

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(one, cases, tokens))
    for case, (state, at_once, later) in sorted(zip(cases, results, strict=True)):
        if at_once or later:
            sys.stdout.write(f"{case}: {state}, alive at once {at_once}, 1 s later {later}\n")
    at_once, later = (sum(column) for column in list(zip(*results, strict=True))[1:])
    sys.stdout.write(f"{jobs} jobs; alive when told: {at_once}; 1 s later: {later}\n")


if __name__ == "__main__":
    main()
