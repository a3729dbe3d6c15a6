"""What a job used: by its script, and by Slurm's accounting, which knows how much it asked for, too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.backends.slurm.order import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.slurm.cluster import Cluster


def usage_of(cluster: Cluster, job_id: str, size: int | None) -> Mapping[str, float]:
    """The readings of a job, as `BatchBackend.usage` returns them; empty before it has ended.

    `cpu_efficiency` and `memory_efficiency` are the parts that were used of the cores and the memory that the job
    got.
    """
    folder = cluster.folder(job_id)
    outcomes = [found for index in range(size or 1) if (found := folder.outcome(index))]
    owner = folder.owner()
    if owner is None or not outcomes:
        return {}
    known = cluster.channel.accounted(owner.job_id, name_of(job_id))
    wall = max(outcome.ended - outcome.began for outcome in outcomes)
    cpu = sum(outcome.cpu_seconds or 0.0 for outcome in outcomes)
    if known.cpu_seconds is not None:
        cpu = max(cpu, known.cpu_seconds)
    readings = {
        "at": max((outcome.ended for outcome in outcomes), default=time.time()),
        "cpu_seconds": cpu,
        "wall_seconds": wall,
    }
    if known.peak_memory_bytes is not None:
        readings["peak_memory_bytes"] = known.peak_memory_bytes
        if known.asked_memory_bytes:
            readings["memory_efficiency"] = known.peak_memory_bytes / known.asked_memory_bytes
    if known.cpus and known.wall_seconds:
        readings["cpu_efficiency"] = cpu / (known.wall_seconds * known.cpus)
    return readings
