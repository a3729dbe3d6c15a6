"""What HTTP statuses mean (RFC 9110, RFC 6585): the one table."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from flyte_connectors import errors

_ERRORS: dict[int, type[errors.ConnectorError]] = {
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.JobNotFoundError,
    407: errors.AuthenticationError,
    408: errors.ServiceUnavailableError,
    409: errors.ConflictError,
    410: errors.JobNotFoundError,
    425: errors.ServiceUnavailableError,
    429: errors.RateLimitedError,
}
"""Statuses whose class (4xx: of the request, 5xx: of the service) does not say it."""

MAYBE_DONE = frozenset({500, 502, 504})
"""Statuses after which the request may have been carried out: something behind the answerer failed."""

_LONGEST_PAUSE = 3600.0  # seconds


def error_of_status(status: int, message: str, *, retry_after: str | None = None) -> errors.ConnectorError:
    """The error that an unsuccessful status means.

    Args:
        status: From 300 to 599; a redirect that is not followed is an error of the request.
        message: One line for people.
        retry_after: The header `Retry-After`: seconds or a date.
    """
    others = errors.InvalidRequestError if status < 500 else errors.ServiceUnavailableError  # noqa: PLR2004
    error = _ERRORS.get(status, others)(message)
    error.outcome_unknown = status in MAYBE_DONE
    error.retry_after = _seconds(retry_after)
    return error


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        if retry_after.strip().isdecimal():
            seconds = float(retry_after[:12])
        else:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
