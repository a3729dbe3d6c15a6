"""A job's resource usage as Flyte's metric results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors.authoring import metrics_response

from flyte_connectors_batch_job.backends.local.job import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse


def response(
    job_id: str, usage: Mapping[str, float], queries: Sequence[str]
) -> GetTaskMetricsResponse:
    """The latest reading of the metrics asked for, or of all.

    Raises:
        InvalidRequestError: `queries` names an unknown metric.
    """
    names = dict.fromkeys((*METRICS, *usage))
    names.pop("at", None)
    readings = {name: [(usage["at"], usage[name])] if name in usage else None for name in names}
    return metrics_response(readings, queries, labels={"job": job_id})
