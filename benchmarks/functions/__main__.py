"""Prints what a function costs beyond starting Python, and how near a map comes to the ideal.

    python -m benchmarks.functions [--rounds N] [--calls N]

Needs an interpreter with `flyte-connectors[batch-job]`, and an idle machine: it compares wall times. The ideal of a
map is that of as many bare interpreters, with the same imports and the same work, which keep all cores busy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.functions import tasks

IMPORTS = "import benchmarks.functions.tasks, flyte_connectors_batch_job.functions.runner"
WORK = f"{IMPORTS}; benchmarks.functions.tasks.busy.function(0, {{seconds}})"


def seconds_of(call: Callable[[], object]) -> float:
    """The wall time of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def python(code: str) -> None:
    """Run code in a new interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True)


def side_by_side(code: str, calls: int, cores: int) -> None:
    """Run code in so many new interpreters, one for each core at a time."""
    with concurrent.futures.ThreadPoolExecutor(cores) as threads:
        list(threads.map(python, [code] * calls))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.functions")
    parser.add_argument("--rounds", type=int, default=20, help="calls of the function that does nothing")
    parser.add_argument("--calls", type=int, default=200, help="calls of the map")
    parser.add_argument("--seconds", type=float, default=0.5, help="work of each call of the map")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"load {os.getloadavg()[0]:.1f} on {cores} cores")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLYTE_BATCH_JOB_SPOOL"] = f"{folder}/spool"
        os.environ["FLYTE_CONNECTORS_STATE_DIR"] = f"{folder}/state"
        os.environ["FLYTE_BATCH_JOB_SLOTS"] = str(cores)
        tasks.nothing()
        pairs = [(seconds_of(lambda: python(IMPORTS)), seconds_of(tasks.nothing)) for _ in range(options.rounds)]
        costs = sorted(call - start for start, call in pairs)
        starts = sorted(start for start, _ in pairs)
        print(
            f"a function that does nothing: {statistics.median(costs) * 1000:.0f} ms "
            f"({costs[0] * 1000:.0f} to {costs[-1] * 1000:.0f}) beyond Python with its imports, "
            f"which takes {statistics.median(starts) * 1000:.0f} ms; target 150 ms"
        )
        code = WORK.format(seconds=options.seconds)
        ideal = seconds_of(lambda: side_by_side(code, options.calls, cores))
        real = seconds_of(lambda: tasks.busy.map(range(options.calls), seconds=options.seconds))
        print(
            f"{options.calls} calls of {options.seconds} s: {real:.1f} s, {real / ideal:.2f} times the ideal "
            f"of {ideal:.1f} s; target 1.15"
        )


if __name__ == "__main__":
    main()
