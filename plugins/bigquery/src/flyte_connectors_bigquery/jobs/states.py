"""The phase of a job: every state and error reason of BigQuery, known or not.

    PENDING                                   QUEUED
    RUNNING, and any state not listed here    RUNNING
    DONE without errorResult                  SUCCEEDED; entries in `errors` are not fatal
    DONE, reason stopped                      ABORTED; FAILED if it was the job's own time limit
    DONE, a retryable reason                  RETRYABLE_FAILED
    DONE, any other reason                    FAILED

https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobstatus
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors import authoring
from flyte_connectors.connector import TERMINAL_PHASES, Phase

from flyte_connectors_bigquery.jobs import reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_bigquery.client import AnyJob


def phase_of(job: AnyJob) -> Phase:
    """The phase of `job` as BigQuery last reported it."""
    if job.state != "DONE":
        phase = authoring.phase_of(str(job.state), job=str(job.job_id))
        return phase if phase not in TERMINAL_PHASES else Phase.RUNNING
    return Phase.SUCCEEDED if not job.error_result else _phase_of_failure(job.error_result)


def message_of(job: AnyJob) -> str | None:
    """One line about `job`: why it failed, or BigQuery's warnings; None without either."""
    if job.state == "DONE" and job.error_result:
        return _line(job.error_result)
    remarks = "; ".join(dict.fromkeys(_line(error) for error in job.errors or ()))
    return f"warnings of BigQuery: {remarks}" if remarks else None


def _phase_of_failure(error: Mapping[str, Any]) -> Phase:
    reason = error.get("reason")
    if reason == reasons.STOPPED:
        timed_out = "timed out" in str(error.get("message")).lower()
        return Phase.FAILED if timed_out else Phase.ABORTED
    return Phase.RETRYABLE_FAILED if reason in reasons.RETRYABLE else Phase.FAILED


def _line(error: Mapping[str, Any]) -> str:
    text = str(error.get("message") or "no message")
    if error.get("reason"):
        text += f" ({error['reason']})"
    return " ".join(text.split())
