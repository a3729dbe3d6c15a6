"""What services do about a job: ask for its state, cancel it, and start the jobs whose turn it is."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.backends.local import files, slots
from flyte_connectors_batch_job.backends.local.job import ABORTED, ENDED, LOST, QUEUED
from flyte_connectors_batch_job.backends.local.launch import LaunchError, launch
from flyte_connectors_batch_job.backends.local.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job


def state_of(job: Job) -> dict[str, Any]:
    """The state of a job, as `Job.look` says it; see `states_of`."""
    return states_of([job])[0]


def states_of(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The states of jobs of one spool.

    Each call that asks about a job that waits for slots, or that may have left some, goes on with the queue.
    """
    states = [job.look() for job in jobs]
    if not any(state["state"] in (QUEUED, LOST, ABORTED) for state in states):
        return states
    faults = (files.DamagedFileError, LaunchError, slots.InvalidSlotsError)
    with contextlib.suppress(*faults):  # who asks for something new is told
        go_on(jobs[0].root, jobs[0].spool_id)
    both = zip(jobs, states, strict=True)
    return [job.look() if state["state"] == QUEUED else state for job, state in both]


def cancel(job: Job) -> None:
    """Record the cancellation of a job, unless it has ended. Returns when that is on the disk."""
    if state_of(job)["state"] not in ENDED:
        job.record_cancellation()
        state_of(job)


def go_on(root: str, spool_id: str, entering: Collection[Job] = ()) -> None:
    """Start what fits. Returns when it has begun.

    Args:
        root: The spool's directory.
        spool_id: Its identity.
        entering: Jobs that need slots, whether they are in the queue already or not.

    Raises:
        LaunchError: the queue can't be written, or the supervisor of one of `entering` did not start. It may
            begin yet.
        InvalidSlotsError: the operator's settings are wrong; nothing has changed.
    """
    failure: OSError | LaunchError | None = None
    paths = {job.path for job in entering}
    with contextlib.ExitStack() as held:
        try:
            admitted = Queue(root, spool_id).admit(entering)
        except OSError as error:
            raise LaunchError(str(error.strerror)) from error  # perhaps they have entered the queue
        for _, slot in admitted:
            held.callback(os.close, slot)
        for job, slot in admitted:
            try:
                launch(job, slot)
            except (OSError, LaunchError) as error:
                if job.path in paths:
                    failure = error
    if isinstance(failure, OSError):
        raise LaunchError(str(failure.strerror)) from failure
    if failure is not None:
        raise failure
