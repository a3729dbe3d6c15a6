"""Trainings as Ray jobs, through the Jobs REST API of Ray's dashboard.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html

Ray itself is not needed here. Where its answers are odd (measured with 2.60): a submission id
that exists is a 500 with "already exists" in its text; a job that has ended answers
`{"stopped": false}` to a stop; a log is always answered as a whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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

from flyte_connectors_model_training.client import JobState, LogPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors.http import Client

    from flyte_connectors_model_training.client import Submission
    from flyte_connectors_model_training.config import RayTrainConfig

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
        }
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        body["metadata"] = {_DIGEST: digest}
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

    async def state(self, job_id: str) -> JobState:
        """Answer how the job stands; see `TrainingPlatform`."""
        job = await self._ask("GET", job_id)
        status = job.get("status")
        phase = _PHASES.get(str(status), Phase.RUNNING)
        if phase == Phase.FAILED and job.get("error_type") in _PASSING_FAILURES:
            phase = Phase.RETRYABLE_FAILED
        message = " ".join(str(job.get("message") or status).split())[:1000]
        if phase == Phase.SUCCEEDED and not await self._has_model():
            phase = Phase.FAILED
            message = f"the job ended without a model at {self._results_uri} (TRAINING_RESULTS_URI)"
        dashboard = f"{self._client.base}/#/jobs/{quote(job_id, safe='')}"
        return JobState(phase, message, dashboard)

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

    async def log_page(self, job_id: str, offset: int, limit: int) -> LogPage:
        """Answer a part of the job's output; an offset counts its bytes."""
        has_ended = (await self._ask("GET", job_id)).get("end_time") is not None
        log = str((await self._ask("GET", job_id, "logs")).get("logs") or "").encode()
        if offset > len(log):
            message = f"{offset} is past the end of the log: start again with an empty token"
            raise InvalidRequestError(message, field="token")
        lines = log[offset:].splitlines(keepends=True)[:limit]
        if lines and not has_ended and not lines[-1].endswith(b"\n"):
            lines.pop()  # it may go on
        following = offset + sum(map(len, lines))
        is_last = has_ended and following == len(log)
        texts = [line.decode(errors="replace").rstrip("\r\n") for line in lines]
        return LogPage(texts, None if is_last else following)

    async def metrics(self, job_id: str) -> list[Mapping[str, float]]:  # noqa: ARG002
        """Raise UnsupportedVerbError: Ray keeps its metrics elsewhere."""
        message = "Ray has no metrics of a job: see the log, or Ray's dashboard"
        raise UnsupportedVerbError(message)

    async def _ask(self, method: str, *parts: str, **options: Any) -> dict[str, Any]:
        reply = await self._client.request(method, "api", "jobs", *parts, **options)
        return reply.json_object()

    def _runtime_env(self, submission: Submission) -> dict[str, Any]:
        inputs = {
            "TRAINING_EPOCHS": str(submission.epochs),
            "TRAINING_DATASET_URI": submission.dataset_uri,
            "TRAINING_PARAMETERS": json.dumps(submission.parameters),
            "TRAINING_RESULTS_URI": submission.results_uri,
        }
        own = self._config.runtime_env.get("env_vars", {})
        return {**self._config.runtime_env, "env_vars": {**own, **inputs}}
