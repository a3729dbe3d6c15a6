"""`flyte-connectors cancel RUN`: cancel the jobs of a run."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.cli import history
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.cli.job_clients import client_of
from flyte_connectors.cli.progress import Waits
from flyte_connectors.cli.streams import complain
from flyte_connectors.client.cancelling import cancel_job
from flyte_connectors.errors import ConnectorError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cancel`."""
    parser.add_argument("name", metavar="RUN", help="name of the run, as `run` printed it")


def run(options: argparse.Namespace) -> int:
    """Cancel every job of the run; finished jobs are not changed.

    If one can't be cancelled, the others still are; the exit code is then 1.
    """
    jobs = history.find_jobs(options.name)
    if not jobs:
        print(f"run {options.name} has started no job", file=sys.stderr)
    return asyncio.run(_cancel_all(jobs))


async def _cancel_all(jobs: Sequence[JobRecord]) -> int:
    waiting = Waits()
    reasons = await asyncio.gather(*(_cancel(job, waiting) for job in jobs))
    for job, reason in zip(jobs, reasons, strict=True):
        what = f"job {job.action} of '{job.task}'"
        if reason:
            complain(f"{what} was NOT cancelled: {reason}")
        else:
            print(f"{what} is cancelled or has ended", file=sys.stderr)
    return 1 if any(reasons) else 0


async def _cancel(job: JobRecord, waiting: Waits) -> str:
    """Cancel a job; return why it could not be cancelled, or an empty string."""
    request = pb.DeleteTaskRequest(resource_meta=job.meta, task_category=job.category)
    try:
        async with client_of(job) as client:
            await cancel_job(client, request, waiting=waiting)
    except ConnectorError as error:
        return error.message
    return ""
