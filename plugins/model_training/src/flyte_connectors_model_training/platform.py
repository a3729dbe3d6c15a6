"""What the connector asks of a training platform, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors.connector import Phase


@dataclass(frozen=True)
class Submission:
    """A training to start.

    Attributes:
        job_id: The id that it shall have: the same id again is the same job.
        epochs: Passes over the data.
        dataset_uri: The data.
        parameters: What else the platform is told.
        results_uri: Where the model goes, if the platform does not choose.
    """

    job_id: str
    epochs: int
    dataset_uri: str
    parameters: Mapping[str, Any]
    results_uri: str


@dataclass(frozen=True)
class JobState:
    """How a training stands.

    Attributes:
        phase: One of `Phase`.
        message: One line.
        dashboard: URL of a page about it.
        results: URI of the model, None unless it has one.
        progress: Numbers by name, such as `epoch` and `loss`.
    """

    phase: Phase
    message: str = ""
    dashboard: str | None = None
    results: object = None
    progress: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LogPage:
    """A part of a log, and the offset of the next part; None after the last."""

    lines: list[str]
    next_offset: int | None


class TrainingPlatform(Protocol):
    """Where trainings run."""

    async def submit(self, submission: Submission) -> str:
        """Start a training, once per id; answers the platform's own id of it."""
        ...

    async def state(self, job_id: str) -> JobState:
        """Answer how the training stands; raises JobNotFoundError."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Stop the training; raises JobNotFoundError."""
        ...

    async def log_page(self, job_id: str, offset: int, limit: int) -> LogPage:
        """Answer up to `limit` lines of the log from `offset`; raises InvalidRequestError."""
        ...

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """Answer the metrics of each epoch, with the time `ended_at` (seconds since 1970)."""
        ...
