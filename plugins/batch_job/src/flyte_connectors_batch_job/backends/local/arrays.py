"""Arrays: jobs that run the same, each with its own index, seen as one.

    <spool>/<job id>/          the array; it is there from one rename on, with all its jobs
      spec.json                what each of its jobs runs, and how many there are
      cancel.json              all of them are to be cancelled
      supervisor.lock          flock held while they enter the queue, and while the array is removed
      <job id>.<index>/        a job, see `job`

Its jobs wait for slots, run and end as any others. A submission that was interrupted is completed by the
next one of the same id, and a cancellation by the jobs themselves, which all look at one file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

from flyte_connectors.connector import Phase

from flyte_connectors_batch_job.backends.indexes import together
from flyte_connectors_batch_job.backends.interface import JobState
from flyte_connectors_batch_job.backends.local import tree, turns
from flyte_connectors_batch_job.backends.local.job import CANCELLING, ENDED, Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_JOBS = 10_000
_DIGITS = len(str(MOST_JOBS - 1))  # so that the order of ids, in the queue too, is that of the indexes


class Array:
    """An array.

    Args:
        job: Its directory.
        size: How many jobs it has.

    Attributes:
        jobs: Its jobs, in the order of their indexes.
    """

    def __init__(self, job: Job, size: int) -> None:
        self.jobs = jobs_of(job, size)
        self._job = job

    def state(self, found: Sequence[JobState]) -> JobState:
        """The state of the whole by those of its jobs."""
        state = together(found)
        if state.phase == Phase.SUCCEEDED or not self._job.is_cancelled():
            return state
        if state.phase == Phase.RUNNING:
            return state._replace(message=CANCELLING)
        return JobState(Phase.ABORTED, details=state.details)

    def cancel(self) -> None:
        """Record the cancellation of all jobs, unless all have ended. Returns when that is on the disk."""
        if all(state["state"] in ENDED for state in turns.states_of(self.jobs)):
            return
        try:
            self._job.record_cancellation()
        finally:  # also if the disk is full
            for job in self.jobs:
                job.guardians.tell_of_cancellation()
        turns.states_of(self.jobs)

    def sweep(self) -> bool:
        """Kill the processes of jobs that were removed. Returns whether none is left."""
        if not self._job.mark or not tree.is_any_marked(f"{self._job.mark}."):
            return True
        return all(job.sweep() for job in self.jobs)

    def usage(self) -> dict[str, float]:
        """The CPU time of all jobs together; the longest time, and the most memory, of one."""
        readings = [usage for job in self.jobs if (usage := job.usage())]
        if not readings:
            return {}
        most = {name: max(usage[name] for usage in readings) for name in readings[0]}
        return {**most, "cpu_seconds": sum(usage["cpu_seconds"] for usage in readings)}


def jobs_of(job: Job, size: int) -> list[Job]:
    """The jobs of an array, whether they exist or not."""
    return [Job.of(job.root, _id(job.id, index), job.spool_id) for index in range(size)]


def members(job: Job) -> list[Job]:
    """The jobs that lie in the directory of an array; none if it is that of a job.

    Raises:
        OSError: it can't be read.
    """
    found = [Job.of(job.root, name, job.spool_id) for name in sorted(os.listdir(job.path))]
    return [member for member in found if member.index is not None and member.key == job.id]


def make_folders(folder: str, job_id: str, size: int) -> None:
    """Make the directories of an array's jobs, in one that will be the array's."""
    for index in range(size):
        os.mkdir(os.path.join(folder, _id(job_id, index)), mode=0o700)


@contextlib.contextmanager
def kept(job: Job) -> Iterator[None]:
    """Keep an array from being removed meanwhile.

    Raises:
        FileNotFoundError: it was.
    """
    lock = job.guardians.open_lock()
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not job.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), job.path)
        yield
    finally:
        os.close(lock)


def _id(job_id: str, index: int) -> str:
    return f"{job_id}.{index:0{_DIGITS}d}"
