"""Trainings behind an HTTP API that a `TrainingApi` describes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from flyte_connectors.authoring import COMMON_STATES, phase_of
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)
from flyte_connectors.http import NotJsonError

from flyte_connectors_model_training.client import JobState, LogPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors.http import Client, Reply

    from flyte_connectors_model_training.client import Submission
    from flyte_connectors_model_training.config import TrainingApi

KNOWN_STATUSES = COMMON_STATES
"""Phase for each status word that services commonly use, in lower case."""

_MAX_ID_CHARACTERS = 255
_MAX_MESSAGE_CHARACTERS = 1000


class TrainingService:
    """A training service at an endpoint.

    Args:
        client: Leads to where jobs are submitted.
        api: The API of the service.
    """

    def __init__(self, client: Client, api: TrainingApi) -> None:
        self._client = client
        self._api = api

    async def submit(self, submission: Submission) -> str:
        """Start a training; see `TrainingPlatform`."""
        chosen = self._api.chosen_job_id
        body = {
            **submission.parameters,
            "dataset_uri": submission.dataset_uri,
            "epochs": submission.epochs,
            **({chosen: submission.job_id} if chosen else {}),
        }
        try:
            reply = await self._client.post(
                headers={"Idempotency-Key": submission.job_id},
                body=body,
                repeatable=bool(chosen),
            )
            job_id = _at(reply.json(), self._api.job_id)
        except (JobNotFoundError, NotJsonError) as error:
            message = f"{error}: is this where trainings are submitted?"
            raise InvalidRequestError(message, field="custom.endpoint") from error
        return self._checked_id(job_id, reply.where)

    async def state(self, job_id: str) -> JobState:
        """Answer how the training stands; see `TrainingPlatform`."""
        reply = await self._ask("GET", self._api.job_path, job_id)
        job = reply.json()
        status = _at(job, self._api.status)
        if not isinstance(status, str):
            message = f"{reply.where} answered no {self._api.status}: set the status of TrainingApi"
            raise ServiceUnavailableError(message)
        progress = _numbers(
            {name: _at(job, getattr(self._api, name)) for name in ("epoch", "epochs", "loss")}
        )
        own = {word: Phase[name] for word, name in self._api.statuses.items()}
        phase = phase_of(status, own, job=job_id)
        text = _at(job, self._api.message)
        return JobState(
            phase=phase,
            message=_line(text) or _summary(status, progress),
            dashboard=_url(_at(job, self._api.dashboard)),
            results=_at(job, self._api.results),
            progress=progress,
        )

    async def cancel(self, job_id: str) -> None:
        """Stop the training; see `TrainingPlatform`."""
        await self._ask("DELETE", self._api.job_path, job_id)

    async def log_page(self, job_id: str, offset: int, limit: int) -> LogPage:
        """Answer a part of the log; see `TrainingPlatform`."""
        if not self._api.logs_path:
            message = f"{self._client.base} has no logs: TrainingApi.logs_path is empty"
            raise UnsupportedVerbError(message)
        query = {"offset": offset, "limit": limit}
        reply = await self._ask("GET", self._api.logs_path, job_id, query=query)
        page = reply.json()
        lines, following = _at(page, "lines"), _at(page, "next_offset")
        if not isinstance(lines, list) or not isinstance(following, int):
            message = f"{reply.where} answered no lines and next_offset: see TrainingApi.logs_path"
            raise ServiceUnavailableError(message)
        return LogPage([str(line) for line in lines], None if page.get("complete") else following)

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """Answer the metrics of each epoch; see `TrainingPlatform`."""
        if not self._api.metrics_path:
            message = f"{self._client.base} has no metrics: TrainingApi.metrics_path is empty"
            raise UnsupportedVerbError(message)
        reply = await self._ask("GET", self._api.metrics_path, job_id)
        epochs = _at(reply.json(), "epochs")
        if not isinstance(epochs, list):
            message = f"{reply.where} answered no epochs: see TrainingApi.metrics_path"
            raise ServiceUnavailableError(message)
        return [_numbers(epoch) for epoch in epochs if isinstance(epoch, dict)]

    async def _ask(self, method: str, path: str, job_id: str, **options: Any) -> Reply:
        """Send a request about a job; `path` is one of the `TrainingApi`."""
        parts = [part.replace("{job_id}", job_id) for part in path.strip("/").split("/")]
        slash = path.endswith("/")
        return await self._client.request(method, *parts, trailing_slash=slash, **options)

    def _checked_id(self, job_id: object, where: str) -> str:
        if isinstance(job_id, int) and not isinstance(job_id, bool):
            job_id = str(job_id)
        if not isinstance(job_id, str) or not 0 < len(job_id) <= _MAX_ID_CHARACTERS:
            message = f"{where} answered no {self._api.job_id}: set the job_id of TrainingApi"
            raise InvalidRequestError(message, field="custom.endpoint")
        if job_id in {".", ".."}:
            message = f"{where} answered the job id {job_id!r}, which can't be part of a path"
            raise InvalidRequestError(message, field="custom.endpoint")
        return job_id


def _at(value: Any, path: str) -> Any:
    """Follow a dotted path through objects; None where it ends early, or is empty."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value)


def _line(value: object) -> str:
    return " ".join(value.split())[:_MAX_MESSAGE_CHARACTERS] if isinstance(value, str) else ""


def _summary(status: str, progress: Mapping[str, float]) -> str:
    parts = [status]
    if "epoch" in progress:
        total = f" of {progress['epochs']:g}" if "epochs" in progress else ""
        parts.append(f"epoch {progress['epoch']:g}{total}")
    if "loss" in progress:
        parts.append(f"loss {progress['loss']:.4g}")
    return ", ".join(parts)


def _url(value: object) -> str | None:
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value
    return None
