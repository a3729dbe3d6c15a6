"""What a function has reported, as the service reads it from the end of the job's file; see `report`.

The job writes that file, and may write anything: what is not a line of the known form is passed over.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from flyte_connectors.connector import Phase

from flyte_connectors_batch_job.backends.interface import JobState

NAME = "report.jsonl"
"""Name of the file in the job's own folder."""

TAIL_BYTES = 256 * 1024
"""So much of its end is read."""

_MOST_METRICS = 100
_LONGEST = 1000


class Reported(NamedTuple):
    """What is known by now.

    Attributes:
        progress: From 0 to 1; None if the function has said nothing about it.
        text: The latest text.
        curves: Values by the metric's name, each with its time in seconds since 1970.
    """

    progress: float | None
    text: str
    curves: dict[str, list[tuple[float, float]]]


def read(tail: bytes) -> Reported:
    """What the last bytes of the file say."""
    progress: float | None = None
    text = ""
    curves: dict[str, list[tuple[float, float]]] = {}
    *lines, _ = tail.split(b"\n")  # the last is in the writing, and the first may be cut
    for line in lines:
        entry = _entry(line)
        done, at, value = (_number(entry.get(name)) for name in ("progress", "at", "value"))
        if done is not None and 0 <= done <= 1:
            progress = done
        if isinstance(entry.get("text"), str) and entry["text"].strip():
            text = " ".join(entry["text"].split())[:_LONGEST]
        name = entry.get("metric")
        if not isinstance(name, str) or at is None or value is None:
            continue
        if name in curves or len(curves) < _MOST_METRICS:
            curves.setdefault(name, []).append((at, value))
    return Reported(progress, text, curves)


def with_report(state: JobState, reported: Reported) -> JobState:
    """The state of a job, with what its function has reported."""
    details: dict[str, Any] = dict(state.details or {})
    if reported.progress is not None:
        details["progress"] = reported.progress
    if reported.text:
        details["text"] = reported.text
    if reported.curves:
        details["metrics"] = {name: values[-1][1] for name, values in reported.curves.items()}
    done = "" if reported.progress is None else f"{reported.progress:.0%}"
    message = state.message
    if state.phase is Phase.RUNNING and not message:
        message = ", ".join(filter(None, (done, reported.text))) or None
    return state._replace(message=message, details=details or None)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _number(value: object) -> float | None:
    """A finite number as a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
