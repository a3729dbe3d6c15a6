"""Prints what jobs cost beside their commands: milliseconds of CPU, user and system, of all their processes.

    python job_overhead.py FOLDER RUNS

Jobs without files, jobs with a file in and one out, and the command alone take turns.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batch_jobs import template
from flyte_connectors import File
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyteidl2.core.types_pb2 import BlobType, LiteralType

from flyte_connectors_batch_job import BatchJobConnector
from flyte_connectors_batch_job.backends.local import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = "cat words > copy"


def cost(function: Callable[[], object]) -> float:
    """What all processes that a function starts use until they have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    function()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main(folder: Path, runs: int) -> None:
    """Measure, and print the medians of the differences."""
    kernel.adopt_orphans()  # so that a job's processes are waited for here
    words = folder / "words"
    words.write_text("a b c\n" * 1000)
    connector = BatchJobConnector()
    with_files = template(script='cat $BATCH_JOB_INPUT_WORDS > copy; echo \'{"copy": "copy"}\' > $BATCH_JOB_OUTPUTS')
    with_files.interface.outputs.variables.add(key="copy").value.type.CopyFrom(
        LiteralType(blob=BlobType(dimensionality=BlobType.SINGLE))
    )
    without = template(script=f"cd {folder}; {COMMAND}")

    def job(number: int, *, files: bool) -> None:
        task = with_files if files else without
        inputs = {"words": File(str(words))} if files else {}
        meta = connector.create(task, str(folder / f"stored-{number}"), inputs, idempotency_key=f"{number}-{files:d}")
        while (found := connector.get(meta)).phase not in TERMINAL_PHASES:
            time.sleep(0.02)
        assert found.phase == Phase.SUCCEEDED, found

    found: dict[str, list[float]] = {"plain": [], "files": []}
    for number in range(runs):
        alone = cost(lambda: subprocess.run(["/bin/sh", "-c", COMMAND], cwd=folder, check=True))
        found["plain"].append(cost(lambda number=number: job(number, files=False)) - alone)
        found["files"].append(cost(lambda number=number: job(number, files=True)) - alone)
    sys.stdout.write(json.dumps({name: round(statistics.median(costs[1:]), 1) for name, costs in found.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
