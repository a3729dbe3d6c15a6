"""The replies of `get_metrics` as curves: grouped into charts, bounded, gathered over time.

A connector that knows only the present value of a metric is read again and again while a page is open; its values
become a curve, too.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse

MOST_POINTS = 1_000
MOST_CURVES = 40

_VARIANT = re.compile(r"^(?:validation|val|train|training|test|eval)_")

Points = list[tuple[float, float]]
"""Time in seconds since 1970, and value."""


class Curves:
    """The curves of one job, by the metric's name.

    Attributes:
        by_name: The points of each, in the order of time.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Points] = {}

    def take(self, response: GetTaskMetricsResponse) -> bool:
        """Take a reply; return whether there is anything new in it."""
        changed = False
        for result in response.results:
            for name, points in _series(result.metric, result.data):
                if name not in self.by_name and len(self.by_name) >= MOST_CURVES:
                    continue
                known = self.by_name.get(name, [])
                latest = known[-1][0] if known else -math.inf
                merged = points if len(points) > 1 else known + [p for p in points if p[0] > latest]
                if merged != known:
                    self.by_name[name] = thinned(merged)
                    changed = True
        return changed

    def charts(self) -> list[dict[str, Any]]:
        """The curves as charts: those that differ by `validation_` and the like share one."""
        groups: dict[str, dict[str, Points]] = {}
        for name in sorted(self.by_name):
            groups.setdefault(_VARIANT.sub("", name), {})[name] = self.by_name[name]
        return [
            {
                "title": title,
                "unit": unit_of(title),
                "curves": [{"name": name, "points": curves[name]} for name in curves],
            }
            for title, curves in groups.items()
        ]


def unit_of(name: str) -> str:
    """What a metric is measured in, as its name says."""
    words = name.lower().split("_")
    if "bytes" in words:
        return "bytes"
    if words[-1] in ("seconds", "ms", "millis", "milliseconds", "percent", "ratio"):
        return {"millis": "ms", "milliseconds": "ms", "seconds": "s"}.get(words[-1], words[-1])
    return ""


def thinned(points: Points) -> Points:
    """At most `MOST_POINTS` of them, evenly spread, the last one among them."""
    step = math.ceil(len(points) / MOST_POINTS)
    if step <= 1:
        return points
    return [point for at, point in enumerate(points) if (len(points) - 1 - at) % step == 0]


def _series(metric: str, data: Any) -> Iterable[tuple[str, Points]]:
    """The readable series of one result, which has the form of a Prometheus range query's."""
    found = data["result"] if "result" in data else ()  # noqa: SIM401  (a message has no get)
    entries = [entry for entry in found if "values" in entry]
    for entry in entries:
        name = metric if len(entries) == 1 else f"{metric} {_labels(entry)}".strip()
        points = [point for pair in entry["values"] if (point := _point(pair)) is not None]
        if points:
            yield name[:200], sorted(points)


def _labels(entry: Mapping[str, Any]) -> str:
    labels = entry["metric"] if "metric" in entry else {}  # noqa: SIM401
    return ", ".join(f"{key}={labels[key]}" for key in sorted(labels))


def _point(pair: Any) -> tuple[float, float] | None:
    try:
        at, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError, IndexError):
        return None
    return (at, value) if math.isfinite(at) and math.isfinite(value) else None
