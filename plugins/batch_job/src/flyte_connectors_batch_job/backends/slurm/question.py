"""The questions to Slurm for jobs that are polled together."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from flyte_connectors.errors import ConnectorError

from flyte_connectors_batch_job.backends.slurm.files import DamagedFileError
from flyte_connectors_batch_job.backends.slurm.memory import WHOLE
from flyte_connectors_batch_job.backends.slurm.order import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flyte_connectors_batch_job.backends.slurm.channel import Record
    from flyte_connectors_batch_job.backends.slurm.cluster import Cluster
    from flyte_connectors_batch_job.backends.slurm.view import Seen


class Question:
    """Asks once for the list of jobs, once for accounting.

    Args:
        cluster: Their cluster.
        job_ids: The jobs.
    """

    def __init__(self, cluster: Cluster, job_ids: Sequence[str]) -> None:
        self.cluster = cluster
        self._job_ids = job_ids
        self._accounted: dict[int, list[Record]] = {}

    @functools.cached_property
    def seen(self) -> Seen:
        """What the controller lists."""
        return self.cluster.view.recent()

    def accounted(self, number: int) -> Sequence[Record]:
        """What accounting says of a job that the controller does not list, and of the others like it."""
        if number not in self._accounted:
            numbers = {number, *self._not_listed()}
            self._accounted |= {one: [] for one in numbers}
            for record in self.cluster.channel.ended(numbers):
                self._accounted.setdefault(record.job_id, []).append(record)
        return self._accounted[number]

    def _not_listed(self) -> Iterator[int]:
        for job_id in self._job_ids:
            if name_of(job_id) not in self.seen.jobs and self.cluster.memory.end_of(job_id, WHOLE) is None:
                with contextlib.suppress(ConnectorError, DamagedFileError, OSError):  # of that job, not of this one
                    owner = self.cluster.folder(job_id).owner()
                    if owner is not None:
                        yield owner.job_id
