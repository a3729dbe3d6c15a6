"""Exceptions of vendors' clients are recognized by their HTTP status, in whichever attribute it is."""

from __future__ import annotations

import email.message
import types
import urllib.error

import pytest
from flyte_connectors import errors
from flyte_connectors.http.statuses import error_of


class VendorError(Exception):
    """As each client has its own."""

    def __init__(self, **attributes: object) -> None:
        super().__init__("the vendor's words")
        vars(self).update(attributes)


def _response(status: int) -> types.SimpleNamespace:
    return types.SimpleNamespace(status_code=status)


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (VendorError(code=400), errors.InvalidRequestError),
        (VendorError(status=401), errors.AuthenticationError),
        (VendorError(response=_response(403)), errors.PermissionDeniedError),
        (VendorError(code="JOB_GONE", response=_response(404)), errors.JobNotFoundError),
        (VendorError(code=409), errors.ConflictError),
        (VendorError(code=429), errors.RateLimitedError),
        (VendorError(code=503), errors.ServiceUnavailableError),
    ],
)
def test_a_status_decides(exception: Exception, expected: type[errors.ConnectorError]) -> None:
    """The text is the vendor's own."""
    found = error_of(exception)
    assert type(found) is expected
    assert found.message == "the vendor's words"


def test_clients_of_the_standard_library_are_understood() -> None:
    """`urllib` has the status in `code`."""
    exception = urllib.error.HTTPError("http://x", 404, "gone", email.message.Message(), None)
    assert isinstance(error_of(exception), errors.JobNotFoundError)


@pytest.mark.parametrize(
    "exception",
    [
        ValueError("x"),
        VendorError(code=lambda: 404),
        VendorError(response=None),
        VendorError(code=500),
    ],
    ids=["none", "a method", "no response", "500"],
)
def test_others_stay_what_they_are(exception: Exception) -> None:
    """They say nothing that the core could rely on."""
    assert error_of(exception) is None
