"""Trainings as Ray jobs, through the Jobs REST API of Ray's dashboard.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html

Ray itself is not needed here. Where its answers are odd (measured with 2.60): a submission id
that exists is a 500 with "already exists" in its text; a job that has ended answers
`{"stopped": false}` to a stop; a log is always answered as a whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)

from flyte_connectors_model_training import http_client
from flyte_connectors_model_training.platform import JobState, LogPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_model_training.config import RayTrainConfig
    from flyte_connectors_model_training.platform import Submission

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
        address: URL of its dashboard.
        config: What to run.
        headers: Credentials.
    """

    def __init__(self, address: str, config: RayTrainConfig, headers: Mapping[str, str]) -> None:
        self._jobs = f"{address}/api/jobs/"
        self._dashboard = f"{address}/#/jobs/"
        self._config = config
        self._headers = headers

    async def submit(self, submission: Submission) -> str:
        """Start a job; see `TrainingPlatform`."""
        reply = await http_client.send(
            "POST",
            self._jobs,
            headers=self._headers,
            body={
                "entrypoint": self._config.entrypoint,
                "submission_id": submission.job_id,
                "runtime_env": self._runtime_env(submission),
            },
        )
        if reply.status == 500 and "already exists" in reply.text:  # noqa: PLR2004
            return submission.job_id
        try:
            reply.checked().json()
        except (JobNotFoundError, http_client.NotJsonError) as error:
            message = f"{error}: is this the address of Ray's dashboard?"
            raise InvalidRequestError(message, field="custom.ray.address") from error
        return submission.job_id

    async def state(self, job_id: str) -> JobState:
        """Answer how the job stands; see `TrainingPlatform`."""
        job = await self._get(job_id)
        status = job.get("status")
        phase = _PHASES.get(str(status), Phase.RUNNING)
        if phase == Phase.FAILED and job.get("error_type") in _PASSING_FAILURES:
            phase = Phase.RETRYABLE_FAILED
        message = str(job.get("message") or status)
        return JobState(phase, " ".join(message.split())[:1000], f"{self._dashboard}{job_id}")

    async def cancel(self, job_id: str) -> None:
        """Stop the job; see `TrainingPlatform`."""
        await self._send("POST", f"{job_id}/stop")

    async def log_page(self, job_id: str, offset: int, limit: int) -> LogPage:
        """Answer a part of the job's output; an offset counts its bytes."""
        has_ended = (await self._get(job_id)).get("end_time") is not None
        log = str((await self._send("GET", f"{job_id}/logs")).get("logs") or "").encode()
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
        message = "Ray answers no metrics of a job: see the log, or Ray's own dashboard"
        raise UnsupportedVerbError(message)

    async def _get(self, job_id: str) -> dict[str, Any]:
        return await self._send("GET", job_id)

    async def _send(self, method: str, path: str) -> dict[str, Any]:
        reply = await http_client.send(method, f"{self._jobs}{path}", headers=self._headers)
        answer = reply.checked().json()
        if not isinstance(answer, dict):
            message = f"{reply.where} answered no object: is this Ray's dashboard?"
            raise ServiceUnavailableError(message)
        return answer

    def _runtime_env(self, submission: Submission) -> dict[str, Any]:
        inputs = {
            "TRAINING_EPOCHS": str(submission.epochs),
            "TRAINING_DATASET_URI": submission.dataset_uri,
            "TRAINING_PARAMETERS": json.dumps(submission.parameters),
            "TRAINING_RESULTS_URI": submission.results_uri,
        }
        own = self._config.runtime_env.get("env_vars", {})
        return {**self._config.runtime_env, "env_vars": {**own, **inputs}}
