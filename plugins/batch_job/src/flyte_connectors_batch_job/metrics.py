"""A job's resource usage as Flyte's metric results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.authoring import metrics_response

from flyte_connectors_batch_job.backends.local.job import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse


def response(
    job_id: str,
    usage: Mapping[str, float],
    queries: Sequence[str],
    curves: Mapping[str, list[tuple[float, float]]] | None = None,
) -> GetTaskMetricsResponse:
    """The latest reading of the metrics asked for, or of all; and `curves`, which a function has reported.

    Raises:
        InvalidRequestError: `queries` names an unknown metric.
    """
    names = dict.fromkeys((*METRICS, *usage))
    names.pop("at", None)
    readings: dict[str, Any] = {name: [(usage["at"], usage[name])] if name in usage else None for name in names}
    for name, values in (curves or {}).items():
        readings.setdefault(name, values)
    return metrics_response(readings, queries, labels={"job": job_id})
