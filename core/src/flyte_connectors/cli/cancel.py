"""`flyte-connectors cancel RUN`: cancel the jobs of a run."""

from __future__ import annotations

import argparse
import asyncio
import sys

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.cli import history
from flyte_connectors.cli.job_clients import client_of
from flyte_connectors.client.cancelling import cancel_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cancel`."""
    parser.add_argument("name", metavar="RUN", help="name of the run, as `run` printed it")


def run(options: argparse.Namespace) -> int:
    """Cancel every job of the run; those that have ended stay as they are."""

    async def cancel_all() -> None:
        for job in history.find_jobs(options.name):
            async with client_of(job) as client:
                request = pb.DeleteTaskRequest(resource_meta=job.meta, task_category=job.category)
                await cancel_job(client, request)
            print(f"job {job.action} of '{job.task}' is cancelled or has ended", file=sys.stderr)

    asyncio.run(cancel_all())
    return 0
