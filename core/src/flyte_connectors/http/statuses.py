"""The error that an exception of a vendor's client stands for, told by its HTTP status.

Connectors of other frameworks let such exceptions through. Most clients keep the status in `code`
(google-api-core, urllib), `status` (aiohttp) or `response.status_code` (httpx, requests).
"""

from __future__ import annotations

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
    409: ConflictError,
    429: RateLimitedError,
    502: ServiceUnavailableError,
    503: ServiceUnavailableError,
    504: ServiceUnavailableError,
}


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
