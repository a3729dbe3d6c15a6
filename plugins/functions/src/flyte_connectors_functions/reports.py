"""What a function has reported, as the service reads it from the end of the job's file; see `report`.

The job writes that file, and may write anything: what is not a line of the known form is passed over.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

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

    @property
    def message(self) -> str:
        """How far the function is, in one line; empty if it has said nothing."""
        done = "" if self.progress is None else f"{self.progress:.0%}"
        return ", ".join(filter(None, (done, self.text)))

    @property
    def details(self) -> dict[str, Any]:
        """The same as values for `Resource.custom_info`: `progress`, `text`, and the latest `metrics`."""
        found: dict[str, Any] = {}
        if self.progress is not None:
            found["progress"] = self.progress
        if self.text:
            found["text"] = self.text
        if self.curves:
            found["metrics"] = {name: values[-1][1] for name, values in self.curves.items()}
        return found


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
