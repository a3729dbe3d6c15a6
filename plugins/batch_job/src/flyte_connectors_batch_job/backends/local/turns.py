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
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job


def state_of(job: Job) -> dict[str, Any]:
    """The state of a job, as `Job.look` says it.

    Each call that asks about a job that waits for slots, or that may have left some, goes on with the queue.
    """
    state = job.look()
    if state["state"] not in (QUEUED, LOST, ABORTED):
        return state
    faults = (files.DamagedFileError, LaunchError, slots.InvalidSlotsError)
    with contextlib.suppress(*faults):  # who asks for something new is told
        go_on(os.path.dirname(job.path), job.spool_id)
    return job.look() if state["state"] == QUEUED else state


def cancel(job: Job) -> None:
    """Record the cancellation of a job, unless it has ended. Returns when that is on the disk."""
    if state_of(job)["state"] not in ENDED:
        job.record_cancellation()
        state_of(job)


def go_on(root: str, spool_id: str, entering: Job | None = None) -> None:
    """Start what fits. Returns when it has begun.

    Args:
        root: The spool's directory.
        spool_id: Its identity.
        entering: A job that needs slots, whether it is in the queue already or not.

    Raises:
        LaunchError: the queue can't be written, or the supervisor of `entering` did not start. It may
            begin yet.
        InvalidSlotsError: the operator's settings are wrong; nothing has changed.
    """
    failure: OSError | LaunchError | None = None
    with contextlib.ExitStack() as held:
        try:
            admitted = Queue(root, spool_id).admit(entering)
        except OSError as error:
            raise LaunchError(str(error.strerror)) from error  # perhaps it has entered the queue
        for _, slot in admitted:
            held.callback(os.close, slot)
        for job, slot in admitted:
            try:
                launch(job, slot)
            except (OSError, LaunchError) as error:
                if entering is not None and job.path == entering.path:
                    failure = error
    if isinstance(failure, OSError):
        raise LaunchError(str(failure.strerror)) from failure
    if failure is not None:
        raise failure
