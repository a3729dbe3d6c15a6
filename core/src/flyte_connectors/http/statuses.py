"""What HTTP statuses mean (RFC 9110, RFC 6585): the one table.

`error_of_status` is for replies that a connector reads itself. `error_of` is for exceptions of vendors'
clients, which connectors of other frameworks let through; most clients keep the status in `code`
(google-api-core, urllib), `status` (aiohttp) or `response.status_code` (httpx, requests).
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)

_ERRORS: dict[int, type[ConnectorError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: JobNotFoundError,
    407: AuthenticationError,
    408: ServiceUnavailableError,
    409: ConflictError,
    410: JobNotFoundError,
    422: InvalidRequestError,
    425: ServiceUnavailableError,
    429: RateLimitedError,
    502: ServiceUnavailableError,
    503: ServiceUnavailableError,
    504: ServiceUnavailableError,
}

MAYBE_DONE = frozenset({500, 502, 504})
"""Statuses after which the request may have been carried out: something behind the answerer failed."""

_LONGEST_PAUSE = 3600.0  # seconds


def error_of_status(status: int, message: str, *, retry_after: str | None = None) -> ConnectorError:
    """The error that an unsuccessful status means.

    Args:
        status: From 300 to 599; a redirect that is not followed is an error of the request.
        message: One line for people.
        retry_after: The header `Retry-After`: seconds or a date.
    """
    kind = _ERRORS.get(status)
    if kind is None:
        kind = InvalidRequestError if status < 500 else ServiceUnavailableError  # noqa: PLR2004
    error = kind(message)
    error.outcome_unknown = status in MAYBE_DONE
    error.retry_after = _seconds(retry_after)
    return error


def error_of(exception: Exception) -> ConnectorError | None:
    """The error with the same text; None for an exception without a status that says enough."""
    response = getattr(exception, "response", None)
    statuses = (
        getattr(exception, "code", None),
        getattr(exception, "status", None),
        getattr(response, "status_code", None),
    )
    status = next((status for status in statuses if isinstance(status, int)), 0)
    found = _ERRORS.get(status)
    return found(str(exception)) if found else None


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
