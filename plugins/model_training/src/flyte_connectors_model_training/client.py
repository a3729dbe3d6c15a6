"""The interface of training platforms, and the choice of the platform by a configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from flyte_connectors.errors import AuthenticationError
from flyte_connectors.http import Client, basic, bearer, header

from flyte_connectors_model_training.config import CREDENTIAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors.connector import Phase

    from flyte_connectors_model_training.config import Auth, TrainingConfig


def platform_of(
    config: TrainingConfig, secrets: Mapping[str, Any], results_uri: str
) -> TrainingPlatform:
    """Make the platform that a configuration names.

    Args:
        config: The configuration.
        secrets: Keyword arguments of the call, with the credential among them.
        results_uri: Where the model goes, if the platform does not choose.

    Raises:
        PermissionDeniedError: The operator does not allow its address.
        AuthenticationError: It wants a credential that the call does not bring.
        InvalidRequestError: The credential can't be sent.
    """
    auth = _headers(config.auth, secrets) if config.auth else None
    if config.ray:
        from flyte_connectors_model_training.ray_jobs import RayJobs

        client = Client(config.ray.address, field="custom.ray.address", auth=auth)
        return RayJobs(client, config.ray, results_uri)
    from flyte_connectors_model_training.training_service import TrainingService

    client = Client(config.endpoint, field="custom.endpoint", auth=auth)
    return TrainingService(client, config.api)


def _headers(auth: Auth, secrets: Mapping[str, Any]) -> dict[str, str]:
    secret = secrets.get(CREDENTIAL)
    if not secret:
        message = f"the secret {auth.secret!r} did not come as {CREDENTIAL}: see custom.secrets"
        raise AuthenticationError(message)
    if auth.scheme == "header":
        return header(auth.name, str(secret), field="custom.auth")
    if auth.scheme == "basic":
        return basic(auth.name, str(secret), field="custom.auth")
    return bearer(str(secret), field="custom.auth.secret")


@dataclass(frozen=True)
class Submission:
    """A training to start.

    Attributes:
        job_id: The id that it shall have: the same id again is the same job.
        epochs: Passes over the data.
        dataset_uri: The data.
        parameters: Further fields of the submission.
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
