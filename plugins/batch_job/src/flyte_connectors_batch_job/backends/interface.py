"""What each back end offers, and the job that it is asked to run.

A back end runs jobs by id: submitting an id twice gives one job. It keeps its state outside of this process,
so that any replica can poll a job by its id and the handle that `submit` returned.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from flyte_connectors_batch_job.backends.local.log import STDERR, STDOUT
from flyte_connectors_batch_job.backends.local.log import SUPERVISOR as SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from flyte_connectors.connector import Phase

    from flyte_connectors_batch_job.config import BatchJobConfig as _BatchJobConfig

__all__ = [
    "GRACE_SECONDS",
    "STDERR",
    "STDOUT",
    "SYSTEM",
    "BatchBackend",
    "JobKey",
    "JobRequest",
    "JobState",
    "Link",
    "LogRecord",
    "ReportingBackend",
    "each",
]

GRACE_SECONDS = 5.0

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclasses.dataclass(frozen=True)
class JobRequest:
    """A job to run.

    Args:
        config: What to run and what it needs, the task's own settings included.
        inputs: The inputs as JSON values, by name; in place of a file, folder or table its URI.
        outputs: Names of the declared outputs.
        line_output: Name of the output that falls back to the last line of stdout, if one does.
        files: What is to be copied before and after the command, see `wrapper.plan`; None if the job has no
            files.
        interruptible: Whether it may run on machines that can vanish.
    """

    config: _BatchJobConfig
    inputs: Mapping[str, Any]
    outputs: Sequence[str]
    line_output: str | None = None
    files: Mapping[str, Any] | None = None
    interruptible: bool = False


class JobState(NamedTuple):
    """How a job is now; `outputs` by name once it has succeeded.

    The outputs of an array hold a list each, with the value of every index in order. `details` is for
    people who inspect the execution, such as the indexes of an array by their phase.
    """

    phase: Phase
    message: str | None = None
    outputs: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None


class JobKey(NamedTuple):
    """What finds a job: its id, and the handle that `submit` returned."""

    job_id: str
    handle: str


def each(function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R | Exception]:
    """What a function returns or raises about each of several jobs: the error of one must not hide the others."""
    found: list[_R | Exception] = []
    for item in items:
        try:
            found.append(function(item))
        except Exception as error:
            found.append(error)
    return found


LogRecord = tuple[int, bytes, bytes]
"""A line of a job's log: microseconds since 1970, 0 if unknown; `STDOUT`, `STDERR` or `SYSTEM`; its text."""


class Link(NamedTuple):
    """A page about a job."""

    name: str
    uri: str


class BatchBackend(Protocol):
    """A place where jobs run. All methods may block.

    All but `submit` raise JobNotFoundError for a lost job, and ServiceUnavailableError if that can't be
    determined now.
    """

    name: ClassVar[str]
    """By which tasks and operators choose it."""

    abilities: ClassVar[frozenset[str]]
    """What it honours: fields of BatchJobConfig, `files` and `interruptible`."""

    def submit(self, job_id: str, request: JobRequest, secrets: Mapping[str, str]) -> str:
        """Have the job of this id run, unless it was submitted before.

        Args:
            job_id: The job.
            request: What it runs, which may be stored and shown.
            secrets: The values of `config.secrets` that came with the call, by variable, which may not.

        Returns:
            A handle: what, beside the id, finds the job again.

        Raises:
            ConflictError: the job of this id does something else.
            InvalidRequestError: this place can never run it; the error names the field.
            ServiceUnavailableError: it can't be submitted now.
        """
        ...

    def states(self, jobs: Sequence[JobKey]) -> Sequence[JobState | Exception]:
        """How each job is, in their order, by as few questions as this place allows; or why that is not known."""
        ...

    def cancel(self, job_id: str, handle: str) -> None:
        """Have the job end within `GRACE_SECONDS`. Returns once that is sure to happen."""
        ...

    def log(self, job_id: str, handle: str, token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
        """One page of the log: batches of lines, then the next page's token if there may be one.

        Args:
            job_id: The job.
            handle: Its handle.
            token: Empty for the first page, else the token that the page before ended with.
            lines: Most lines wanted; 0 for the back end's own choice.

        Raises:
            InvalidRequestError: `token` is not one that this log gave out.
        """
        ...

    def usage(self, job_id: str, handle: str) -> Mapping[str, float]:
        """`at`, in seconds since 1970, and the readings by name; empty before the first.

        Each of `cpu_seconds`, `wall_seconds` and `peak_memory_bytes` that is known, and whatever else
        this place measures.
        """
        ...

    def links(self, job_id: str, handle: str) -> Sequence[Link]:
        """Pages about the job."""
        ...


@runtime_checkable
class ReportingBackend(Protocol):
    """A back end that sees what the function of a job reports while it runs."""

    def reported(self, job_id: str, handle: str) -> bytes:
        """The end of the job's report, see `flyte_connectors_functions.reports`; empty if there is none."""
        ...
