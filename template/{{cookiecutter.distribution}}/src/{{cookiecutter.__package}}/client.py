{% if cookiecutter.__rest %}
"""The HTTP API of {{ cookiecutter.service }}: the only module that knows it."""
{% else %}
"""The SDK of {{ cookiecutter.service }}: the only module that opens it, and knows its errors."""
{% endif %}

from __future__ import annotations

import contextlib
{% if cookiecutter.__rest %}
import logging
{% endif %}
import os
from typing import TYPE_CHECKING, Any
{% if cookiecutter.__rest and cookiecutter.__jobs %}
from urllib.parse import quote
{% endif %}

{% if cookiecutter.__rest %}
import httpx
{% endif %}
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
{% if not cookiecutter.__rest %}

from {{ cookiecutter.__package }} import vendor_sdk
{% endif %}

if TYPE_CHECKING:
    from collections.abc import {{ 'AsyncIterator' if cookiecutter.__rest else 'Iterator' }}

ENDPOINT_VARIABLE = "{{ cookiecutter.__variable }}"
DEFAULT_ENDPOINT = "http://127.0.0.1:8765"  # where the fake service listens
TIMEOUT_SECONDS = 10.0
{% if cookiecutter.__rest %}
TRUST = httpx.create_ssl_context()  # read here: it takes 50 ms, in which no other call would go on
{% endif %}

ERRORS: dict[int, type[ConnectorError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: JobNotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}
"""What the service's statuses mean; others are the request's fault below 500, else passing ones."""
{% if cookiecutter.__rest %}

logging.getLogger("httpx").setLevel(logging.WARNING)  # below, it tells of every request
{% endif %}


def endpoint() -> str:
    """Where the service is. Its operator decides that, not a task, because tokens are sent there."""
    return os.environ.get(ENDPOINT_VARIABLE, DEFAULT_ENDPOINT)
{% if cookiecutter.__rest %}


@contextlib.asynccontextmanager
async def connect(*, api_token: str = "", **_: Any) -> AsyncIterator[Client]:
    """A client for one call of a verb.

    Args:
        api_token: The secret of that name; empty for none.

    Raises:
        ConnectorError: The service refused the call, or can't be reached.
    """
    headers = {"Authorization": f"Bearer {api_token}"} if api_token else {}
    try:
        async with httpx.AsyncClient(
            base_url=endpoint(), headers=headers, timeout=TIMEOUT_SECONDS, verify=TRUST
        ) as http:
            yield Client(http)
    except httpx.HTTPStatusError as error:
        raise _error_for(error.response.status_code, error.response.text) from error
    except httpx.TransportError as error:
        message = f"{endpoint()} ({ENDPOINT_VARIABLE}) can't be reached: {error}"
        raise ServiceUnavailableError(message) from error


class Client:
    """What the verbs call.

    Args:
        http: Leads to the service.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
{% if cookiecutter.__jobs %}

    async def create_job(self, job_id: str, text: str, repeat: int) -> None:
        """Start a job; the same id again is the same job."""
        await self._send("PUT", _path(job_id), json={"text": text, "repeat": repeat})

    async def get_job(self, job_id: str) -> dict[str, Any]:
        """Its `state`, and `message` and `outputs` or null."""
        return await self._send("GET", _path(job_id))

    async def cancel_job(self, job_id: str) -> None:
        """Cancel it, if it has not ended."""
        await self._send("DELETE", _path(job_id))
{% endif %}
{% if cookiecutter.__logs %}

    async def read_log(self, job_id: str, start: int, limit: int) -> dict[str, Any]:
        """Its `lines` from number `start` on, and whether the log `is_complete` with them."""
        page = {"start": start, "limit": limit}
        return await self._send("GET", _path(job_id, "/log"), params=page)
{% endif %}
{% if cookiecutter.__metrics %}

    async def get_usage(self, job_id: str) -> dict[str, float]:
        """Its metrics by name."""
        return await self._send("GET", _path(job_id, "/usage"))
{% endif %}
{% if cookiecutter.__quick %}

    async def estimate(self, repeat: int) -> float:
        """How many seconds a job would take."""
        answer = await self._send("POST", "/estimates", json={"repeat": repeat})
        return float(answer["seconds"])
{% endif %}

    async def _send(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        response = await self._http.request(method, path, **content)
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer
{% if cookiecutter.__jobs %}


def _path(job_id: str, part: str = "") -> str:
    return f"/jobs/{quote(job_id, safe='')}{part}"
{% endif %}
{% else %}


@contextlib.contextmanager
def connect(*, api_token: str = "", **_: Any) -> Iterator[vendor_sdk.Client]:
    """The vendor's client for one call of a verb.

    Args:
        api_token: The secret of that name; empty for none.

    Raises:
        ConnectorError: The service refused the call, or can't be reached.
    """
    try:
        yield vendor_sdk.Client(endpoint(), api_token, TIMEOUT_SECONDS)
    except vendor_sdk.StatusError as error:
        raise _error_for(error.status, error.text) from error
    except OSError as error:
        message = f"{endpoint()} ({ENDPOINT_VARIABLE}) can't be reached: {error}"
        raise ServiceUnavailableError(message) from error
{% endif %}


def _error_for(status: int, text: str) -> ConnectorError:
    otherwise = ServiceUnavailableError if status >= 500 else InvalidRequestError
    return ERRORS.get(status, otherwise)(f"{endpoint()} answered {status}: {text[:300]}")
