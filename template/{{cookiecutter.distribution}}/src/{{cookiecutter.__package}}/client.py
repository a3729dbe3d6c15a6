{% if cookiecutter.__rest %}
"""The HTTP API of {{ cookiecutter.service }}: the only module that knows it."""
{% else %}
"""The SDK of {{ cookiecutter.service }}: the only module that opens it, and knows its errors."""
{% endif %}

from __future__ import annotations

{% if not cookiecutter.__rest %}
import contextlib
{% endif %}
import os
{% if cookiecutter.__rest %}
from typing import {{ 'TYPE_CHECKING, ' if cookiecutter.__get_many }}Any

from flyte_connectors import http
{% if cookiecutter.__get_many %}

if TYPE_CHECKING:
    from collections.abc import Sequence
{% endif %}
{% else %}
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ServiceUnavailableError
from flyte_connectors.http import error_of_status
from flyte_connectors.secrets import redact

from {{ cookiecutter.__package }} import vendor_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator
{% endif %}

ENDPOINT_VARIABLE = "{{ cookiecutter.__variable }}"
DEFAULT_ENDPOINT = "http://127.0.0.1:8765"  # where the fake service listens
{% if cookiecutter.__rest %}
LIMITS = http.Limits(reply_seconds=10)
{% else %}
TIMEOUT_SECONDS = 10.0
{% endif %}


def endpoint() -> str:
    """Where the service is. Its operator decides that, not a task, because tokens are sent there."""
    return os.environ.get(ENDPOINT_VARIABLE, DEFAULT_ENDPOINT)
{% if cookiecutter.__rest %}


def connect(*, api_token: str = "", **_: Any) -> Client:
    """A client for one call of a verb; connections are kept.

    Args:
        api_token: The secret of that name; empty for none.
    """
    auth = http.bearer(api_token) if api_token else None
    # Trusted: the operator chose the endpoint, so it may be on this machine.
    return Client(
        http.Client(endpoint(), field=ENDPOINT_VARIABLE, auth=auth, trusted=True, limits=LIMITS)
    )


class Client:
    """What the verbs call. Each method raises the error that a refusal means.

    `json_object` says which members an answer has to have, and of which types: an answer without them,
    such as a proxy's page, is then an error that names it, and is tried again.

    Args:
        http: Sends requests to the service and nowhere else; parts of paths are quoted.
    """

    def __init__(self, http: http.Client) -> None:
        self._http = http
{% if cookiecutter.__jobs %}

    async def create_job(self, job_id: str, text: str, repeat: int) -> None:
        """Start a job; the same id again is the same job."""
        await self._http.put("jobs", job_id, body={"text": text, "repeat": repeat})

    async def get_job(self, job_id: str) -> dict[str, Any]:
        """Its `state`, and `message` and `outputs` or null."""
        reply = await self._http.get("jobs", job_id)
        return reply.json_object(state=str, message=str | None, outputs=dict | None)
{% if cookiecutter.__get_many %}

    async def get_jobs(self, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What `get_job` returns, by id, in one call; a job that it does not know is left out."""
        body = {"ids": job_ids}
        reply = await self._http.post("jobs", "list", body=body, repeatable=True)
        jobs: dict[str, dict[str, Any]] = reply.json_object(jobs=dict)["jobs"]
        return jobs
{% endif %}

    async def cancel_job(self, job_id: str) -> None:
        """Cancel it, if it has not ended."""
        await self._http.delete("jobs", job_id)
{% endif %}
{% if cookiecutter.__logs %}

    async def read_log(self, job_id: str, start: int, limit: int) -> dict[str, Any]:
        """Its `lines` from number `start` on, and whether the log `is_complete` with them."""
        page = {"start": start, "limit": limit}
        reply = await self._http.get("jobs", job_id, "log", query=page)
        return reply.json_object(lines=list[str], is_complete=bool)
{% endif %}
{% if cookiecutter.__metrics %}

    async def get_usage(self, job_id: str) -> dict[str, float]:
        """Its metrics by name."""
        usage = (await self._http.get("jobs", job_id, "usage")).json_object()
        return {name: value for name, value in usage.items() if isinstance(value, int | float)}
{% endif %}
{% if cookiecutter.__quick %}

    async def estimate(self, repeat: int) -> float:
        """How many seconds a job would take."""
        reply = await self._http.post("estimates", body={"repeat": repeat}, repeatable=True)
        return float(reply.json_object(seconds=int | float)["seconds"])
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
        message = f"{endpoint()} answered {error.status}: {redact(error.text)[:300]}"
        raise error_of_status(error.status, message) from error
    except ValueError as error:  # an answer that is not JSON, such as a proxy's page
        message = f"{endpoint()} answered what the SDK can't read: {redact(str(error))[:300]}"
        raise ServiceUnavailableError(message) from error
    except OSError as error:
        message = f"{endpoint()} ({ENDPOINT_VARIABLE}) can't be reached: {error}"
        raise ServiceUnavailableError(message) from error
{% endif %}
