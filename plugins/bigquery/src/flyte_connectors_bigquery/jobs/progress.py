"""The progress of a job, from 0 to 1, as BigQuery reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors_bigquery.client import AnyJob


def of_job(job: AnyJob) -> dict[str, Any]:
    """`{"progress": ...}` of a job that has not ended; empty if it is not known.

    A query is as far as the inputs of its stages; stages that are still to come may set it back.
    Loads and extracts report their own ratio.
    """
    plan = getattr(job, "query_plan", None) or ()
    done = sum(stage.completed_parallel_inputs or 0 for stage in plan)
    total = sum(stage.parallel_inputs or 0 for stage in plan)
    if total:
        return {"progress": min(done / total, 1.0)}
    ratio = job._properties.get("statistics", {}).get("completionRatio")  # noqa: SLF001
    return {} if ratio is None else {"progress": float(ratio)}
