"""The table of jobs: filtered, sorted, bounded."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_connectors_console.place import KnownJob, Place

MOST_ROWS = 500

SORTS: dict[str, tuple[str, Callable[[KnownJob], Any]]] = {
    "task": ("Task", lambda job: (job.task.lower(), job.address.task_type)),
    "phase": ("Phase", lambda job: job.phase),
    "age": ("Age", lambda job: -job.seen),
    "run": ("Run", lambda job: (job.project, job.domain, job.run, job.action)),
    "type": ("Task type", lambda job: job.address.task_type),
    "asked": ("Last poll", lambda job: -(job.asked or 0)),
    "polls": ("Polls", lambda job: -job.polls),
}
"""The columns that the table can be sorted by: title, and what it is sorted by."""


def jobs_table(place: Place, arguments: Mapping[str, str]) -> dict[str, Any]:
    """What the template of the jobs shows.

    Args:
        place: Where the jobs are.
        arguments: `q` filters by text, `phase` and `run` by these, `sort` names a column, with a `-` before it for
            the other direction.
    """
    query, phase = arguments.get("q", "")[:200], arguments.get("phase", "")[:40]
    run, sort = arguments.get("run", "")[:100], arguments.get("sort", "age")[:20]
    key = sort.removeprefix("-")
    if key not in SORTS:
        key = sort = "age"
    jobs = place.jobs()
    phases = Counter(job.phase or "UNKNOWN" for job in jobs)
    shown = [job for job in jobs if _matches(job, query.lower(), phase, run)]
    shown.sort(key=SORTS[key][1], reverse=sort.startswith("-"))
    kept = {"q": query, "phase": phase, "run": run}
    return {
        "jobs": shown[:MOST_ROWS],
        "total": len(jobs),
        "matching": len(shown),
        "phases": sorted(phases.items()),
        "query": query,
        "phase": phase,
        "run": run,
        "sort": sort,
        "columns": [_column(name, title, sort, kept) for name, (title, _) in SORTS.items()],
        "now": time.time(),
        "counts": [[at, dict(counted)] for at, counted in place.counts()],
    }


def _column(name: str, title: str, sort: str, kept: Mapping[str, str]) -> dict[str, str]:
    """A column's head: what it links to, and how the table is sorted by it now."""
    by_it = sort.removeprefix("-") == name
    following = f"-{name}" if sort == name else name
    arguments = {key: value for key, value in {**kept, "sort": following}.items() if value}
    state = ("descending" if sort.startswith("-") else "ascending") if by_it else "none"
    return {"name": name, "title": title, "link": urlencode(arguments), "state": state}


def _matches(job: KnownJob, query: str, phase: str, run: str) -> bool:
    if phase and (job.phase or "UNKNOWN") != phase:
        return False
    if run and job.run != run:
        return False
    text = (
        job.task,
        job.address.task_type,
        job.project,
        job.domain,
        job.run,
        job.message,
        job.fault,
    )
    return not query or any(query in part.lower() for part in text)
