"""Starting the jobs whose turn it is, as services do: they wait until these have begun."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.backends.local.launch import LaunchError, launch
from flyte_connectors_batch_job.backends.local.queue import Queue

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.local.job import Job


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
