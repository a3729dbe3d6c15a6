"""The vendor library's exceptions as errors of this framework.

`is_transient` decides what is tried again inside a call; `translated` names what is left then.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests.exceptions
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
from google.api_core import exceptions
from google.auth import exceptions as auth

from flyte_connectors_bigquery.jobs import reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSING_TYPES = (
    ConnectionError,
    exceptions.ServerError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    auth.TransportError,
)
_LIBRARY_ERRORS = (
    exceptions.GoogleAPIError,
    auth.GoogleAuthError,
    requests.exceptions.RequestException,
    ConnectionError,
)
_BY_TYPE: dict[type[BaseException], type[ConnectorError]] = {
    exceptions.Forbidden: PermissionDeniedError,
    exceptions.NotFound: JobNotFoundError,
    exceptions.Conflict: ConflictError,
    exceptions.ClientError: InvalidRequestError,  # the base of those above: the order matters
}


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, requests.exceptions.SSLError):
        return False
    if isinstance(error, (*_PASSING_TYPES, exceptions.TooManyRequests)):
        return not isinstance(error, exceptions.MethodNotImplemented)
    if isinstance(error, auth.GoogleAuthError):
        return bool(error.retryable)
    return isinstance(error, exceptions.GoogleAPICallError) and _reason(error) in reasons.RETRYABLE


@contextlib.contextmanager
def translated(what: str, *, submitting: bool = False) -> Iterator[None]:
    """Within this block the vendor library's exceptions become this framework's errors.

    Args:
        what: The job or table concerned, for the message.
        submitting: Whether a query is being handed in: what is missing or exists already is then a
            table or dataset of the query, not the job.
    """
    try:
        yield
    except _LIBRARY_ERRORS as error:
        raised = to_connector_error(error, what)
        if submitting and isinstance(raised, (JobNotFoundError, ConflictError)):
            raised = InvalidRequestError(raised.message)
        raise raised from error


def to_connector_error(error: BaseException, what: str) -> ConnectorError:
    """The error that `error` is in this framework's terms."""
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        error = error.cause
    text = f"{what}: {_text(error)}"
    slow_down = reasons.RATE_LIMITED | {reasons.QUOTA}
    if isinstance(error, exceptions.TooManyRequests) or _reason(error) in slow_down:
        return RateLimitedError(text)
    if is_transient(error):
        return ServiceUnavailableError(text)
    if isinstance(error, (exceptions.Unauthorized, auth.GoogleAuthError)):
        return AuthenticationError(f"{text}; {_way_in(text)}")
    for vendor_type, raised in _BY_TYPE.items():
        if isinstance(error, vendor_type):
            return raised(text)
    return ServiceUnavailableError(text)


def _way_in(text: str) -> str:
    """What to do about credentials that were refused with `text`."""
    if "impersonated" in text:
        return (
            "the credentials in use need the role Service Account Token Creator on the account of "
            "impersonate_service_account"
        )
    return "check the service account JSON in the secret, or the server's default credentials"


def _reason(error: BaseException) -> str | None:
    """The `reason` of BigQuery's first error entry."""
    entries = getattr(error, "errors", None) or ()
    first = entries[0] if entries else None
    return first.get("reason") if isinstance(first, dict) else None


def _text(error: BaseException) -> str:
    """BigQuery's own words, without the URL that the library puts in front."""
    entries = getattr(error, "errors", None) or ()
    first = entries[0] if entries else None
    if isinstance(first, dict) and first.get("message"):
        return f"{first['message']} ({first.get('reason')})"
    if isinstance(error, requests.exceptions.RequestException) and error.request is not None:
        cause = getattr(error.args[0] if error.args else None, "reason", error)
        said = str(cause).rpartition("): ")[2]  # without the connection's repr
        return f"{urlsplit(str(error.request.url)).netloc}: {said}"
    if isinstance(error, auth.GoogleAuthError):
        return str(error.args[0] if error.args else type(error).__name__)
    return str(getattr(error, "message", None) or error or type(error).__name__)
