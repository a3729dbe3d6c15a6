"""The Slurm back end as the connector sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.errors import (
    InvalidResourceMetaError,
    JobNotFoundError,
    ServiceUnavailableError,
)

from flyte_connectors_batch_job.backends import outages
from flyte_connectors_batch_job.backends.interface import each
from flyte_connectors_batch_job.backends.slurm import log, usage
from flyte_connectors_batch_job.backends.slurm.cluster import Cluster, current
from flyte_connectors_batch_job.backends.slurm.order import name_of
from flyte_connectors_batch_job.backends.slurm.placing import place
from flyte_connectors_batch_job.backends.slurm.progress import state_of
from flyte_connectors_batch_job.backends.slurm.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyte_connectors_batch_job.backends.interface import (
        JobKey,
        JobRequest,
        JobState,
        Link,
        LogRecord,
    )

_HANDLE = re.compile(r"([0-9]+)(?:\[([0-9]+)\])?")


class SlurmBackend:
    """Jobs of a Slurm cluster. Their handle is the id in Slurm, and the size of an array: `17` or `17[200]`.

    Jobs are found by their name, which holds the key; the id in the handle is for people, and is another's
    when the controller has lost the job and it was submitted again.
    """

    name: ClassVar[str] = "slurm"
    abilities: ClassVar[frozenset[str]] = frozenset(
        {
            "account",
            "array",
            "cpu",
            "env",
            "files",
            "gpu",
            "memory",
            "modules",
            "nodes",
            "priority",
            "qos",
            "queue",
            "retry_exit_codes",
            "secrets",
            "tasks",
            "working_directory",
        }
    )

    def submit(self, job_id: str, request: JobRequest, secrets: Mapping[str, str]) -> str:  # noqa: ARG002
        """Have exactly one job of this key released."""
        number = place(current(), job_id, request)
        size = request.config.array
        return f"{number}" if size is None else f"{number}[{size}]"

    def states(self, jobs: Sequence[JobKey]) -> list[JobState | Exception]:
        """How each job is, by one question about all jobs."""
        with outages.answered_at_once():
            question = Question(current(), [job.job_id for job in jobs])

        @outages.answered_at_once()
        def state(job: JobKey) -> JobState:
            return state_of(question, job.job_id, _size(job.handle))

        return each(state, jobs)

    def cancel(self, job_id: str, handle: str) -> None:  # noqa: ARG002
        """Have Slurm end the job, and its script not begin."""
        cluster = current()
        folder = cluster.folder(job_id)
        if folder.spec() is None:
            raise _gone(cluster, job_id)
        if folder.verdict() is not None:
            return
        folder.cancel()
        name = name_of(job_id)
        records = cluster.view.fresh().jobs.get(name, ())
        cluster.channel.cancel(name, {record.job_id for record in records})

    def log(self, job_id: str, handle: str, token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
        """One page of the log."""
        cluster, size = current(), _size(handle)
        folder = cluster.folder(job_id)
        if folder.spec() is None:
            raise _gone(cluster, job_id)

        def has_ended() -> bool:
            try:
                return state_of(Question(cluster, [job_id]), job_id, size).phase in TERMINAL_PHASES
            except ServiceUnavailableError:  # then the lines that are there are shown
                return False

        yield from log.page(folder, size, token, lines, has_ended)

    def usage(self, job_id: str, handle: str) -> Mapping[str, float]:
        """What the job used, once it has ended."""
        return usage.usage_of(current(), job_id, _size(handle))

    def links(self, job_id: str, handle: str) -> Sequence[Link]:  # noqa: ARG002
        """None: Slurm has no pages about jobs."""
        return ()


def _size(handle: str) -> int | None:
    """The number of indexes of an array; None of any other job."""
    match = _HANDLE.fullmatch(handle)
    if match is None:
        message = f"its handle '{handle[:40]}' is not one of a job in Slurm"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return int(match[2]) if match[2] else None


def _gone(cluster: Cluster, job_id: str) -> JobNotFoundError:
    message = f"the folder of batch job '{job_id}' is gone from {cluster.settings.folder}"
    return JobNotFoundError(message)
