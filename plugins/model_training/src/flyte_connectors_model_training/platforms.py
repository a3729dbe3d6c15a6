"""The interface of training platforms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_connectors.connector import Phase


@dataclass(frozen=True)
class Submission:
    """A training to start.

    Attributes:
        job_id: The id that it shall have: the same id again is the same job.
        dataset_uri: The data; None where the platform's parameters name them.
        epochs: Passes over the data; None where the parameters have them.
        inputs: The other inputs by name, as JSON has them.
        parameters: Further fields of the submission.
        results_uri: Where the model goes, if the platform does not choose.
    """

    job_id: str
    dataset_uri: str | None
    epochs: int | None
    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    results_uri: str = ""


@dataclass(frozen=True)
class JobState:
    """How a training stands.

    Attributes:
        phase: One of `Phase`.
        message: One line.
        links: URLs of pages about it, by name.
        body: What the platform says about it: where outputs are found by dotted paths.
        progress: Numbers by name, such as `epoch` and `loss`.
    """

    phase: Phase
    message: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LogPage:
    """A part of a log, and the token of the next part; None after the last."""

    lines: list[str]
    next_token: str | None


class TrainingPlatform(Protocol):
    """Where trainings run.

    `TrainingService` is one for HTTP services of any API (`TrainingApi`), `RayJobs` another one.
    """

    async def submit(self, submission: Submission) -> str:
        """Start a training, once per id; answers the platform's own id of it."""
        ...

    async def state(self, job_id: str, job: Mapping[str, Any] | None = None) -> JobState:
        """Answer how the training stands; raises JobNotFoundError.

        Args:
            job_id: The training.
            job: What `listed` returned about it; it is then not read again.
        """
        ...

    async def listed(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what one request reads about many trainings, by their ids; empty if there is no list."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Stop the training; raises JobNotFoundError."""
        ...

    async def log_page(self, job_id: str, token: str, limit: int) -> LogPage:
        """Answer up to `limit` lines of the log from `token`, empty for the first page.

        Raises:
            InvalidRequestError: The token is not one of this log.
        """
        ...

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """Answer the metrics of each epoch, with the time `ended_at` (seconds since 1970)."""
        ...

    async def download(self, uri: str, write: Callable[[bytes], object]) -> None:
        """Pass a file at an `http(s)://` URI on, in pieces."""
        ...
