"""The reply of `get_metrics`: readings as the results of Prometheus range queries, which is what Flyte's console draws."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse

Readings: TypeAlias = "float | Iterable[tuple[float, float]] | None"
"""One value of now; or values with the time of each, in seconds since 1970; or None if it is not known yet."""


def metrics_response(
    metrics: Mapping[str, Readings],
    queries: Sequence[str] = (),
    *,
    labels: Mapping[str, str] | None = None,
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> GetTaskMetricsResponse:
    """What `get_metrics` returns for the readings of a job.

    Each metric becomes a result whose `data` has the form of a Prometheus range query's:
    `{"resultType": "matrix", "result": [{"metric": labels, "values": [[seconds, "value"], ...]}]}`.

    Args:
        metrics: Readings by the metric's name: every metric that the job can have.
        queries: Names of the metrics asked for; empty for all.
        labels: What the values are of, such as `{"job": job_id}`.
        start_time: Readings before it are left out; a time without a zone is UTC.
        end_time: Readings after it are left out.

    Raises:
        InvalidRequestError: `queries` names a metric that is not in `metrics`.

    Example:
        async def get_metrics(self, resource_meta, queries, **kwargs):
            usage = await self.usage(resource_meta)
            return metrics_response({"cpu_seconds": usage.cpu}, queries)
    """
    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse

    for query in queries:
        if query not in metrics:
            message = f"unknown metric {query[:100]!r}; the job has {', '.join(metrics) or 'none'}"
            raise InvalidRequestError(message, field="queries")
    response = GetTaskMetricsResponse()
    first, last = _seconds(start_time, float("-inf")), _seconds(end_time, float("inf"))
    for name in dict.fromkeys(queries) or metrics:
        readings = metrics[name]
        if readings is None:
            continue
        if isinstance(readings, (int, float)):
            readings = [(time.time(), readings)]
        values = [[at, _text(value)] for at, value in readings if first <= at <= last]
        series: dict[str, Any] = {"metric": dict(labels or {}), "values": values}
        response.results.add(metric=name).data.update({"resultType": "matrix", "result": [series]})
    return response


def _text(value: float) -> str:
    return str(int(value) if isinstance(value, bool) else value)


def _seconds(moment: datetime | None, default: float) -> float:
    if moment is None:
        return default
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
