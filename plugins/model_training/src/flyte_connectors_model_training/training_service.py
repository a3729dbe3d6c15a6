"""Trainings behind an HTTP API that a `TrainingApi` describes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_connectors.authoring import COMMON_STATES, phase_of
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)
from flyte_connectors.http import Client, NotJsonError

from flyte_connectors_model_training import log_pages
from flyte_connectors_model_training.config import DATASET
from flyte_connectors_model_training.paths import at, merged, nested
from flyte_connectors_model_training.platforms import JobState, LogPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_connectors.http import Reply

    from flyte_connectors_model_training.platforms import Submission
    from flyte_connectors_model_training.training_api import TrainingApi

KNOWN_STATUSES = COMMON_STATES
"""Phase for each status word that services commonly use, in lower case."""

ENDED_AT = "ended_at"
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
        body = self._body(submission)
        if chosen:
            body = merged(body, nested(chosen, submission.job_id))
        try:
            reply = await self._client.post(
                headers={"Idempotency-Key": submission.job_id},
                body=body,
                repeatable=bool(chosen),
            )
            job_id = at(reply.json(), self._api.job_id)
        except (JobNotFoundError, NotJsonError) as error:
            message = f"{error}: is this where trainings are submitted?"
            raise InvalidRequestError(message, field="custom.endpoint") from error
        return self._checked_id(job_id, reply.where)

    def _body(self, submission: Submission) -> dict[str, Any]:
        """Everything that is submitted, where the service takes it."""
        below = f"{self._api.hyperparameters}." if self._api.hyperparameters else ""
        values = {name: (f"{below}{name}", value) for name, value in submission.inputs.items()}
        if submission.dataset_uri is not None:
            values[DATASET] = (DATASET, submission.dataset_uri)
        if submission.epochs is not None:
            values["epochs"] = ("epochs", submission.epochs)
        body = dict(submission.parameters)
        for name, (usual, value) in values.items():
            body = merged(body, nested(self._api.fields.get(name, usual), value))
        return body

    async def listed(self) -> Mapping[str, Mapping[str, Any]]:
        """Answer the jobs that the service lists; see `TrainingPlatform`."""
        if not self._api.listed:
            return {}
        try:
            jobs = at((await self._client.request("GET")).json(), self._api.listed)
        except (InvalidRequestError, JobNotFoundError, NotJsonError):
            return {}  # its API has no such list
        found = jobs if isinstance(jobs, list) else []
        return {str(at(job, self._api.job_id)): job for job in found if isinstance(job, dict)}

    async def state(self, job_id: str, job: Mapping[str, Any] | None = None) -> JobState:
        """Answer how the training stands; see `TrainingPlatform`."""
        if job is None:
            reply = await self._ask("GET", self._api.job_path, job_id)
            body, where = reply.json(), reply.where
        else:
            body, where = job, f"the list at {self._client.base}"
        status = at(body, self._api.status)
        if not isinstance(status, str):
            message = f"{where} answered no {self._api.status}: set the status of TrainingApi"
            raise ServiceUnavailableError(message)
        progress = _numbers({name: at(body, getattr(self._api, name)) for name in ("epoch", "epochs", "loss")})
        own = {word: Phase[name] for word, name in self._api.statuses.items()}
        phase = phase_of(status, own, job=job_id)
        text = at(body, self._api.message)
        links = {
            "training-dashboard": _url(at(body, self._api.dashboard)),
            "tracking": _url(at(body, self._api.tracking)),
        }
        return JobState(
            phase=phase,
            message=_line(text) or _summary(status, progress),
            links={name: url for name, url in links.items() if url},
            body=body,
            progress=progress,
        )

    async def cancel(self, job_id: str) -> None:
        """Stop the training; see `TrainingPlatform`."""
        path = self._api.cancel_path or self._api.job_path
        options = {} if self._api.cancel_body is None else {"body": dict(self._api.cancel_body)}
        await self._ask(self._api.cancel_method, path, job_id, repeatable=True, **options)

    async def log_page(self, job_id: str, token: str, limit: int) -> LogPage:
        """Answer a part of the log; see `TrainingPlatform`."""
        if not self._api.logs_path:
            message = f"{self._client.base} has no logs: TrainingApi.logs_path is empty"
            raise UnsupportedVerbError(message)
        request = log_pages.page_request(self._api, token, limit)
        # The job is read before its log: if it has ended, then the log is complete.
        ended = not self._api.logs_complete and ((await self.state(job_id)).phase in TERMINAL_PHASES)

        reply = await self._ask("GET", self._api.logs_path, job_id, query=request.query)
        return log_pages.read_page(self._api, reply.json(), request, limit, reply.where, has_ended=ended)

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """Answer the metrics of each epoch; see `TrainingPlatform`."""
        if not self._api.metrics_path:
            message = f"{self._client.base} has no metrics: TrainingApi.metrics_path is empty"
            raise UnsupportedVerbError(message)
        reply = await self._ask("GET", self._api.metrics_path, job_id)
        epochs = at(reply.json(), self._api.metrics_epochs)
        if not isinstance(epochs, list):
            message = f"{reply.where} answered no {self._api.metrics_epochs}: see TrainingApi.metrics_path"
            raise ServiceUnavailableError(message)
        return [self._epoch(epoch) for epoch in epochs if isinstance(epoch, dict)]

    def _epoch(self, epoch: dict[str, Any]) -> dict[str, float]:
        numbers = _numbers(epoch)
        time = at(epoch, self._api.metrics_time)
        if self._api.metrics_time != ENDED_AT:
            numbers.pop(self._api.metrics_time, None)
            numbers |= {ENDED_AT: time} if _is_number(time) else {}
        return numbers

    async def download(self, uri: str, write: Callable[[bytes], object]) -> None:
        """Pass a file on; see `TrainingPlatform`. Credentials go to the service only."""
        client = self._client
        if not f"{uri}/".startswith(f"{client.base}/"):
            origin = urlsplit(uri)
            # A URL may carry its own credentials, as signed ones do; it is checked as every address.
            client = Client(f"{origin.scheme}://{origin.netloc}", field="custom.endpoint")
        reply = await client.download(uri, write)
        if not reply.is_success:
            raise reply.error()

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
