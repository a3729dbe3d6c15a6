"""What the statuses of a service mean."""

from __future__ import annotations

import pytest
from flyte_connectors import errors
from flyte_connectors.http.statuses import error_of_status


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, errors.InvalidRequestError),
        (400, errors.InvalidRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.JobNotFoundError),
        (408, errors.ServiceUnavailableError),
        (409, errors.ConflictError),
        (410, errors.JobNotFoundError),
        (418, errors.InvalidRequestError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServiceUnavailableError),
        (503, errors.ServiceUnavailableError),
    ],
)
def test_a_status_decides(status: int, expected: type[errors.ConnectorError]) -> None:
    """One that has no meaning of its own means what its class does."""
    assert type(error_of_status(status, "text")) is expected
