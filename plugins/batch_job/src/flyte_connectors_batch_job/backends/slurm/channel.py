"""What a way to Slurm has to offer, and what Slurm knows of a job."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flyte_connectors_batch_job.backends.slurm.order import Order

QUESTION_SECONDS = 10.0
"""For a question about all jobs: the commands themselves retry for minutes."""

ACTION_SECONDS = 20.0
"""For what changes something."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What Slurm says of a job, or of one index of an array.

    Args:
        job_id: Its id; of an index, the array's.
        index: Its index; None for a job that is not part of an array.
        name: Its name.
        state: Slurm's state, such as `PENDING`.
        reason: Why it waits or failed, in Slurm's words.
        nodes: The nodes that it runs on.
        exit_code: Of its script; None if that is not known.
        cancelled_by: Who cancelled it, as accounting says.
    """

    job_id: int
    index: int | None
    name: str
    state: str
    reason: str = ""
    nodes: str = ""
    exit_code: int | None = None
    cancelled_by: str = ""


class Accounted(NamedTuple):
    """What accounting says of a job's use; None for what it does not know."""

    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    cpus: int | None = None
    peak_memory_bytes: float | None = None
    asked_memory_bytes: float | None = None


class Channel(Protocol):
    """A way to Slurm. Each method asks once, within a limit of time.

    All raise ServiceUnavailableError if there is no answer, AuthenticationError and
    PermissionDeniedError where Slurm says so.
    """

    def jobs(self) -> Sequence[Record]:
        """All jobs of this user that the controller knows."""
        ...

    def submit(self, order: Order) -> int:
        """Submit a job, held. Returns its id.

        Raises:
            InvalidRequestError: Slurm refuses it; the error names the field.
        """
        ...

    def release(self, job_id: int) -> None:
        """Let a held job start. Raises InvalidRequestError if Slurm refuses, as for an unknown id."""
        ...

    def cancel(self, name: str, job_ids: Collection[int]) -> None:
        """End the jobs of these ids, and of this name; those that have ended, or are unknown, are left."""
        ...

    def ended(self, job_ids: Collection[int]) -> Sequence[Record]:
        """What accounting says of jobs that the controller may have forgotten; empty where there is none."""
        ...

    def accounted(self, job_id: int, name: str) -> Accounted:
        """What accounting says that the job used."""
        ...

    def kept_seconds(self) -> float:
        """For how long the controller remembers a job that has ended."""
        ...
