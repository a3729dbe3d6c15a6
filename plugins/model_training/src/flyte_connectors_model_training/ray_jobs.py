"""Trainings as Ray jobs, through the Jobs REST API of Ray's dashboard.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html

Ray itself is not needed here. Where its answers are odd (measured with 2.60): a submission id
that exists is a 500 with "already exists" in its text; a job that has ended answers
`{"stopped": false}` to a stop; the Jobs API answers a log as a whole, the State API streams it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from flyte_connectors.authoring import read_log_token
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
    StorageError,
    UnsupportedVerbError,
)
from flyte_connectors.http import NotJsonError
from flyte_connectors.io import storage

from flyte_connectors_model_training.config import DATASET
from flyte_connectors_model_training.paths import merged
from flyte_connectors_model_training.platforms import JobState, LogPage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_connectors.http import Client

    from flyte_connectors_model_training.config import RayTrainConfig
    from flyte_connectors_model_training.platforms import Submission

_DIGEST = "flyte_training"  # in the job's metadata: what was asked for under its id

_PHASES = {
    "PENDING": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "STOPPED": Phase.ABORTED,
}
# Kinds of failure (`error_type`) that are the cluster's and may not come again.
_PASSING_FAILURES = frozenset(
    {
        "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
        "JOB_SUPERVISOR_ACTOR_START_FAILURE",
        "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
        "JOB_SUPERVISOR_ACTOR_DIED",
    }
)


class RayJobs:
    """The jobs of a Ray cluster.

    Args:
        client: Leads to its dashboard.
        config: What to run.
        results_uri: Where the job writes its model.
    """

    def __init__(self, client: Client, config: RayTrainConfig, results_uri: str) -> None:
        self._client = client
        self._config = config
        self._results_uri = results_uri

    async def submit(self, submission: Submission) -> str:
        """Start a job; see `TrainingPlatform`."""
        body = {
            "entrypoint": self._config.entrypoint,
            "submission_id": submission.job_id,
            "runtime_env": self._runtime_env(submission),
            **self._needs(),
        }
        if self._config.metadata:
            body["metadata"] = dict(self._config.metadata)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        body["metadata"] = {**self._config.metadata, _DIGEST: digest}
        try:
            reply = await self._client.post(
                *("api", "jobs"), body=body, trailing_slash=True, repeatable=True, check=False
            )
            if reply.status == 500 and "already exists" in reply.text:  # noqa: PLR2004
                await self._compare(submission.job_id, digest)
                return submission.job_id
            if not reply.is_success:
                raise reply.error()
            reply.json()
        except (JobNotFoundError, NotJsonError) as error:
            message = f"{error}: is this the address of Ray's dashboard?"
            raise InvalidRequestError(message, field="custom.ray.address") from error
        return submission.job_id

    async def _compare(self, job_id: str, digest: str) -> None:
        """Distinguish a repeated submission from another one with the same id."""
        metadata = (await self._ask("GET", job_id)).get("metadata") or {}
        if metadata.get(_DIGEST, digest) != digest:
            message = f"Ray has a job {job_id} with other inputs or another entrypoint"
            raise ConflictError(message)

    async def listed(self) -> Mapping[str, Mapping[str, Any]]:
        """Answer all jobs of the cluster; see `TrainingPlatform`."""
        reply = await self._client.request("GET", "api", "jobs", trailing_slash=True)
        jobs = json.loads(reply.text)
        return {str(job.get("submission_id")): job for job in jobs if isinstance(job, dict)}

    async def state(self, job_id: str, job: Mapping[str, Any] | None = None) -> JobState:
        """Answer how the job stands; see `TrainingPlatform`."""
        job = job or await self._ask("GET", job_id)
        status = job.get("status")
        phase = _PHASES.get(str(status), Phase.RUNNING)
        if phase == Phase.FAILED and job.get("error_type") in _PASSING_FAILURES:
            phase = Phase.RETRYABLE_FAILED
        message = " ".join(str(job.get("message") or status).split())[:1000]
        if phase == Phase.SUCCEEDED and not await self._has_model():
            phase = Phase.FAILED
            message = f"the job ended without a model at {self._results_uri} (TRAINING_RESULTS_URI)"
        dashboard = f"{self._client.base}/#/jobs/{quote(job_id, safe='')}"
        body = await self._body() if phase == Phase.SUCCEEDED else {}
        return JobState(phase, message, {"training-dashboard": dashboard}, body)

    async def _body(self) -> dict[str, Any]:
        """What the job wrote: its model, and its report with the scores, if there is one."""
        body: dict[str, Any] = {"results": self._results_uri}
        uri = report_uri(self._results_uri)
        try:
            report = json.loads(await asyncio.to_thread(storage.read_bytes, uri))
        except FileNotFoundError:
            return body
        except (StorageError, OSError, ValueError) as error:
            message = f"the training has ended, but its report can't be read: {error}"
            raise ServiceUnavailableError(message) from error
        scores = report.get("scores") if isinstance(report, dict) else None
        return {**body, "report": uri, "scores": scores if isinstance(scores, dict) else {}}

    async def _has_model(self) -> bool:
        """Check that the job wrote its model: Ray knows its exit code only."""
        if not self._results_uri:
            return False
        try:
            return await asyncio.to_thread(storage.exists, self._results_uri)
        except (StorageError, OSError) as error:
            message = f"the training has ended, but its model can't be checked: {error}"
            raise ServiceUnavailableError(message) from error

    async def cancel(self, job_id: str) -> None:
        """Stop the job; see `TrainingPlatform`."""
        await self._ask("POST", job_id, "stop", repeatable=True)

    async def log_page(self, job_id: str, token: str, limit: int) -> LogPage:
        """Answer a part of the job's output; a token counts its bytes."""
        offset = read_log_token(token)
        job = await self._ask("GET", job_id)
        has_ended = job.get("end_time") is not None
        part = _LogPart(offset, limit)
        with contextlib.suppress(_PageFullError):
            await self._read_log(job_id, job.get("driver_node_id"), part)
        if part.size < offset:
            message = f"{offset} is past the end of the log: start again with an empty token"
            raise InvalidRequestError(message, field="token")
        lines, is_last = part.lines(has_ended=has_ended)
        following = offset + sum(map(len, lines))
        texts = [line.decode(errors="replace").rstrip("\r\n") for line in lines]
        return LogPage(texts, None if is_last and has_ended else str(following))

    async def _read_log(self, job_id: str, node_id: object, part: _LogPart) -> None:
        """Read the log of the job's driver. Raises _PageFullError as soon as the page is full.

        The Jobs API answers with the whole log. The State API streams it, and what lies before and after
        the page is not kept; it finds the log by the node that the job has started on. (By the job's id
        alone, Ray 2.60 answers 500.)
        """
        is_streamed = False
        if isinstance(node_id, str):
            query = {"node_id": node_id, "filename": f"job-driver-{job_id}.log", "lines": -1}
            reply = await self._client.download(f"{self._client.base}/api/v0/logs/file?{urlencode(query)}", part.write)
            is_streamed = reply.is_success
        if not is_streamed:
            log = (await self._ask("GET", job_id, "logs")).get("logs")
            part.write(str(log or "").encode())

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:  # noqa: ARG002
        """Raise UnsupportedVerbError: Ray keeps its metrics elsewhere."""
        message = "Ray has no metrics of a job: see the log, or Ray's dashboard"
        raise UnsupportedVerbError(message)

    async def download(self, uri: str, write: Callable[[bytes], object]) -> None:
        """Raise UnsupportedVerbError: a job writes its files to storage itself."""
        del write
        message = f"{uri} is in no storage: a Ray job writes its model to TRAINING_RESULTS_URI"
        raise UnsupportedVerbError(message)

    def _needs(self) -> dict[str, Any]:
        """What the entrypoint needs, in Ray's words."""
        needs = {
            "entrypoint_num_cpus": self._config.num_cpus,
            "entrypoint_num_gpus": self._config.num_gpus,
            "entrypoint_memory": self._config.memory,
            "entrypoint_resources": dict(self._config.resources) or None,
        }
        return {name: value for name, value in needs.items() if value is not None}

    async def _ask(self, method: str, *parts: str, **options: Any) -> dict[str, Any]:
        reply = await self._client.request(method, "api", "jobs", *parts, **options)
        return reply.json_object()

    def _runtime_env(self, submission: Submission) -> dict[str, Any]:
        parameters = dict(submission.parameters)
        if submission.inputs:
            parameters = merged(parameters, {"hyperparameters": dict(submission.inputs)})
        epochs = submission.epochs or parameters.pop("epochs", None) or 1
        inputs = {
            "TRAINING_EPOCHS": str(epochs),
            "TRAINING_DATASET_URI": submission.dataset_uri or str(parameters.pop(DATASET, "")),
            "TRAINING_PARAMETERS": json.dumps(parameters),
            "TRAINING_RESULTS_URI": submission.results_uri,
            "TRAINING_REPORT_URI": report_uri(submission.results_uri),
        }
        own = self._config.runtime_env.get("env_vars", {})
        return {**self._config.runtime_env, "env_vars": {**own, **inputs}}


def report_uri(results_uri: str) -> str:
    """Answer where the report goes: beside the model."""
    return f"{results_uri.rpartition('/')[0]}/report.json"


class _PageFullError(Exception):
    """The page is full: the rest of the log is not read."""


class _LogPart:
    """The lines of a log from an offset on, as many as a page has; the rest is counted, not kept.

    Attributes:
        size: Bytes of the log that were read.
    """

    def __init__(self, offset: int, limit: int) -> None:
        self.size = 0
        self._offset = offset
        self._limit = limit
        self._kept = bytearray()

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises _PageFullError."""
        skipped = max(0, self._offset - self.size)
        self.size += len(piece)
        self._kept += piece[skipped:]
        if self._kept.count(b"\n") > self._limit:
            raise _PageFullError

    def lines(self, *, has_ended: bool) -> tuple[list[bytes], bool]:
        """Answer the lines, and whether they are the log's last ones."""
        lines = bytes(self._kept).splitlines(keepends=True)
        if lines and not has_ended and not lines[-1].endswith(b"\n"):
            lines.pop()  # it may go on
        return lines[: self._limit], len(lines) <= self._limit
