"""`flyte-connectors logs RUN`: the log lines of a run's jobs."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors.cli import history
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.cli.job_clients import client_of
from flyte_connectors.client.job_loop import ConnectorClient
from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.connector import TERMINAL_PHASES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `logs`."""
    parser.add_argument("name", metavar="RUN", help="name of the run, as `run` printed it")
    parser.add_argument(
        "--follow", "-f", action="store_true", help="go on until the jobs have ended"
    )
    parser.add_argument("--timestamps", "-t", action="store_true", help="show when each line came")


def run(options: argparse.Namespace) -> int:
    """Print the log lines."""

    def emit(line: LogLine) -> None:
        stamp = f"{line.timestamp.ToJsonString()} " if options.timestamps else ""
        print(f"{stamp}{line.message}", flush=True)

    async def print_all() -> None:
        for job in history.find_jobs(options.name):
            async with client_of(job) as client:
                request = pb.GetTaskLogsRequest(resource_meta=job.meta, task_category=job.category)
                await _print_log(client, job, request, emit, follow=options.follow)

    asyncio.run(print_all())
    sys.stdout.flush()
    return 0


async def _print_log(
    client: ConnectorClient,
    job: JobRecord,
    request: pb.GetTaskLogsRequest,
    emit: Callable[[LogLine], None],
    *,
    follow: bool,
) -> None:
    ended = asyncio.Event()
    if not follow:
        ended.set()
    watching = asyncio.ensure_future(_watch(client, job, ended)) if follow else None
    try:
        await follow_logs(client.get_logs, request, emit, ended)
    finally:
        if watching is not None:
            watching.cancel()


async def _watch(client: ConnectorClient, job: JobRecord, ended: asyncio.Event) -> None:
    """Set `ended` when the job has."""
    request = pb.GetTaskRequest(resource_meta=job.meta, task_category=job.category)
    while not ended.is_set():
        resource = (await client.get(request)).resource
        if resource.phase in TERMINAL_PHASES:
            ended.set()
        else:
            await asyncio.sleep(1)
