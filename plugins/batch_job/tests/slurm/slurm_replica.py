"""A replica of the service: `python slurm_replica.py <key> <folder>` creates a job four times at once.

It says that it is ready, waits for a line, and prints the handles.
"""
# ruff: noqa: T201  (its output is what the test reads)

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from batch_jobs import template

from flyte_connectors_batch_job import BatchJobConnector

key, folder = sys.argv[1:]
os.environ["FLYTE_BATCH_JOB_SLURM_FOLDER"] = folder
connector = BatchJobConnector()
task = template(script="echo ran >> ran.txt", memory="50Mi")


def create(_: int) -> str:
    """The handle of the job."""
    return connector.create(task, "", {}, idempotency_key=key).handle


print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as threads:
    print(*threads.map(create, range(4)), flush=True)
