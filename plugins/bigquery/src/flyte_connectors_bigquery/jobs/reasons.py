"""What BigQuery's error reasons mean for the caller: retry, fail, or cancelled.

One table for both places where reasons turn up: in the error of a call and in the result of a job.
https://cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

RATE_LIMITED = frozenset({"rateLimitExceeded", "jobRateLimitExceeded"})
"""Slow down, then try again."""

PASSING = frozenset(
    {"backendError", "badGateway", "internalError", "jobBackendError", "jobInternalError"} | {"tableUnavailable"}
)
"""A fault of BigQuery's own that another try may not meet."""

RETRYABLE = RATE_LIMITED | PASSING

QUOTA = "quotaExceeded"
"""A quota, usually a daily one, is used up; an immediate retry does not help."""

STOPPED = "stopped"
"""The job was cancelled, by a user or by its time limit."""
