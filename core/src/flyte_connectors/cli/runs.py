"""`flyte-connectors runs`: the runs that were started here, newest first."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import sys
import time
from collections.abc import Sequence

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.cli import history
from flyte_connectors.cli.history import RunRecord
from flyte_connectors.cli.job_clients import client_of
from flyte_connectors.cli.table import print_table
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConnectorError
from flyte_connectors.tasks.current_run import state_dir

_UNKNOWN = "UNKNOWN"
_COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "ABORTED": "yellow", _UNKNOWN: "yellow"}
_LONGEST_QUESTION = 5.0  # seconds for one job whose run has died
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `runs`."""
    add = parser.add_argument
    add("--task", metavar="NAME", help="only runs of this task")
    add(
        "--phase",
        metavar="PHASE",
        type=str.upper,
        choices=(*(phase.name for phase in Phase if phase), _UNKNOWN),
        help="only runs in this phase, such as RUNNING or FAILED",
    )
    add("--limit", metavar="N", type=_limit, default=20, help="show the N newest (default 20)")
    add("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> int:
    """Print the runs."""
    now = time.time()
    runs = [record for record in history.all_runs() if options.task in (None, record.task)]
    shown = asyncio.run(_with_phases(runs, options.phase, options.limit))
    if options.json:
        print(json.dumps([_as_json(record, phase) for record, phase in shown], indent=2))
        return 0
    print_table(
        ("RUN", "TASK", "PHASE", "AGE", "SERVICE"),
        [(record.run, record.task, phase, _age(now - record.started), record.endpoint) for record, phase in shown],
        empty="no runs" if runs or options.task else f"no runs in {state_dir()}",
        colours=_COLOURS,
    )
    return 0


async def _with_phases(runs: Sequence[RunRecord], phase: str | None, limit: int) -> list[tuple[RunRecord, str]]:
    """The first `limit` runs, with their phases, of those that are in `phase`."""
    found: list[tuple[RunRecord, str]] = []
    for record in runs:
        if len(found) == limit:
            break
        current = record.phase or await _phase_of_jobs(record.run)
        if phase in (None, current):
            found.append((record, current))
    return found


async def _phase_of_jobs(run: str) -> str:
    """The phase of the last job of a run whose process has died."""
    try:
        jobs = history.find_jobs(run)
        if not jobs:
            return _UNKNOWN
        request = pb.GetTaskRequest(resource_meta=jobs[-1].meta, task_category=jobs[-1].category)
        async with client_of(jobs[-1]) as client:
            resource = (await client.get(request, _LONGEST_QUESTION)).resource
        return Phase(resource.phase).name
    except ConnectorError as error:
        print(f"run {run}: {error.message}", file=sys.stderr)
        return _UNKNOWN


def _as_json(record: RunRecord, phase: str) -> dict[str, object]:
    started = datetime.datetime.fromtimestamp(record.started, datetime.timezone.utc)
    jobs = [
        {"action": job.action, "task": job.task, "task_type": job.task_type} for job in history.find_jobs(record.run)
    ]
    return {
        "run": record.run,
        "task": record.task,
        "phase": phase,
        "started": started.isoformat(timespec="seconds"),
        "endpoint": record.endpoint,
        "module": record.module,
        "jobs": jobs,
    }


def _age(seconds: float) -> str:
    """An age in its largest unit, as kubectl shows it: `42s`, `5m`, `3h`, `2d`."""
    whole = max(int(seconds), 0)
    unit, size = next((unit for unit in _UNITS if whole >= unit[1]), _UNITS[-1])
    return f"{whole // size}{unit}"


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number greater than zero, got {text!r}")
    return int(text)
