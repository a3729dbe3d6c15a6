"""`flyte-connectors logs RUN`: the log lines of a run's jobs."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Callable

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors._calls.retries import Retrying
from flyte_connectors.cli import history
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.cli.job_clients import ENDPOINT_VARIABLE, client_of, jobs_of
from flyte_connectors.cli.progress import Waits
from flyte_connectors.cli.streams import INTERRUPTED, complain
from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.job_loop import GIVE_UP_AFTER
from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.errors import JobNotFoundError, UnsupportedVerbError

_PAUSE = 0.5  # seconds between two looks at the jobs of a live run, and at the phase of a job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `logs`."""
    add = parser.add_argument
    add("name", metavar="RUN", help="name of the run, or the address of a job's page in the console")
    default = os.environ.get(ENDPOINT_VARIABLE, "")
    text = f"service that hosts the job of an address; https://HOST:PORT for TLS ({ENDPOINT_VARIABLE})"
    add("--endpoint", metavar="HOST:PORT", default=default, help=text)
    add("--follow", "-f", action="store_true", help="follow the log until the run has ended")
    add("--timestamps", "-t", action="store_true", help="show the time of each line")


def run(options: argparse.Namespace) -> int:
    """Print the log lines."""

    def emit(line: LogLine) -> None:
        stamp = f"{line.timestamp.ToJsonString()} " if options.timestamps else ""
        print(f"{stamp}{line.message}", flush=True)

    return asyncio.run(_print_all(options.name, options.endpoint, emit, follow=options.follow))


async def _print_all(run: str, endpoint: str, emit: Callable[[LogLine], None], *, follow: bool) -> int:
    """Print the logs of all jobs, one after the other; a live run may start more of them."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _leave)
    seen: set[JobRecord] = set()
    code = 0
    while True:
        is_live = follow and "/" not in run and history.is_live(run)
        new = [job for job in jobs_of(run, endpoint) if job not in seen]
        for job in new:
            try:
                async with client_of(job) as client:
                    await _print_log(client, job, emit, follow=follow)
            except UnsupportedVerbError as error:
                complain(f"job {job.action} of '{job.task}': {error.message}")
                code = 1
        seen.update(new)
        if not new and not is_live:
            return code
        if not new:
            await asyncio.sleep(_PAUSE)


def _leave() -> None:
    """End at once: nothing is left to be done, whatever a connector's thread still waits for."""
    complain("interrupted")
    os._exit(INTERRUPTED)


async def _print_log(client: ConnectorClient, job: JobRecord, emit: Callable[[LogLine], None], *, follow: bool) -> None:
    request = pb.GetTaskLogsRequest(resource_meta=job.meta, task_category=job.category)
    ended = asyncio.Event()
    waiting = Waits()
    if not follow:
        ended.set()
    following = asyncio.ensure_future(follow_logs(client.get_logs, request, emit, ended, waiting=waiting))
    watching = asyncio.ensure_future(_watch(client, job, ended, waiting))
    try:
        await asyncio.wait((following, watching), return_when=asyncio.FIRST_EXCEPTION)
        for task in (following, watching):
            if task.done():
                task.result()
        await following
    finally:
        following.cancel()
        watching.cancel()


async def _watch(client: ConnectorClient, job: JobRecord, ended: asyncio.Event, waiting: Waits) -> None:
    """Set `ended` when the job has, or is not known any more."""
    request = pb.GetTaskRequest(resource_meta=job.meta, task_category=job.category)
    while not ended.is_set():
        try:
            retrying = Retrying(GIVE_UP_AFTER, waiting)
            resource = (await retrying.call(lambda: client.get(request))).resource
        except JobNotFoundError:
            ended.set()
        else:
            if resource.phase in TERMINAL_PHASES:
                ended.set()
            else:
                await asyncio.sleep(_PAUSE)
