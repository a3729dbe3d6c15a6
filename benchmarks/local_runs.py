"""The local executor: one run, a thousand at once, a hundred thousand polled in one process."""

from __future__ import annotations

import json
import subprocess

from benchmarks.contender import ENVIRONMENT, HERE, Contender, Name
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another

SINGLE, AT_ONCE = "local run, done at the first poll", "1,000 such runs at once"
JOBS = "100,000 jobs polled every 3 s: started within a minute"
MEMORY, CPU, LATE = (
    "their memory, per job",
    "their CPU time, per poll",
    "their polls' lateness, p99",
)
TARGETS = (
    Target(SINGLE, "ms", 10),
    Target(AT_ONCE, "ms", 400),
    Target(JOBS, "jobs"),
    Target(MEMORY, "KiB", 2.0),
    Target(CPU, "µs", 1.0, against_peer=True),
    Target(LATE, "ms", 50),
)
POLL_SECONDS = 3
"""The interval that the official SDK cannot change."""
TIMEOUT_SECONDS = 300.0


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Milliseconds, KiB and microseconds, by the names of `TARGETS`."""
    jobs, seconds = (10_000, 3) if quick else (100_000, 9)
    polls = _run(contender, "poll", jobs, POLL_SECONDS, seconds)
    found = {
        JOBS: polls["jobs"],
        MEMORY: polls["bytes_per_job"] / 1024,
        CPU: polls["cpu_seconds_per_poll"] * 1e6,
        LATE: polls["seconds_late_p99"] * 1e3,
    }
    if contender.name is not Name.BARE:  # it polls, but has nothing that would be a run
        found[SINGLE] = _run(contender, "single", 2)["seconds"] * 1e3
        found[AT_ONCE] = _run(contender, "at-once", 1000)["seconds"] * 1e3
    return found


def _run(contender: Contender, *arguments: object) -> dict[str, float]:
    """The numbers that a program of `local/` prints."""
    script = HERE / "local" / f"{contender.name.value}.py"
    command = [str(contender.python), str(script), *map(str, arguments)]
    done = subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
    found: dict[str, float] = json.loads(done.stdout)
    return found
