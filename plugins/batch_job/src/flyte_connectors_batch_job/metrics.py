"""A job's resource usage as Flyte's metric results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError
from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse

from flyte_connectors_batch_job.backends.local.job import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_connectors_batch_job.backends.local.job import Job


def of_job(job: Job, queries: Sequence[str]) -> GetTaskMetricsResponse:
    """The latest reading of the metrics asked for, or of all.

    Each result's `data` has the form of a Prometheus range query's result, as the comment on
    `flyteidl2.core.ExecutionMetricResult` demands; it holds one sample.

    Raises:
        InvalidRequestError: `queries` names an unknown metric.
    """
    for query in queries:
        if query not in METRICS:
            message = f"unknown metric '{query}'; a batch job has {', '.join(METRICS)}"
            raise InvalidRequestError(message, field="queries")
    response = GetTaskMetricsResponse()
    usage = job.usage()
    if not usage:
        return response
    for metric in queries or METRICS:
        series = {"metric": {"job": job.id}, "values": [[usage["at"], str(usage[metric])]]}
        data: dict[str, Any] = {"resultType": "matrix", "result": [series]}
        response.results.add(metric=metric).data.update(data)
    return response
