"""Which run and attempt a function is part of."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class TaskContext:
    """Where a function runs.

    Args:
        task: Name of its task.
        job_id: Id of its job, another one for each attempt.
        run: Name of the run.
        attempt: 0 for the first one.
        output_prefix: URI under which the job's files are stored.
    """

    task: str
    job_id: str
    run: str
    attempt: int
    output_prefix: str


_contexts: list[TaskContext] = []


def task_context() -> TaskContext:
    """The context of the function that this process runs as a job.

    Raises:
        RuntimeError: this process is not the job of a function.
    """
    if not _contexts:
        raise RuntimeError("task_context() is for functions that run as a job")
    return _contexts[-1]


def is_in_job() -> bool:
    """Whether this process is the job of a function."""
    return bool(_contexts)


def enter(context: TaskContext) -> None:
    """Make `context` that of this process."""
    _contexts.append(context)
