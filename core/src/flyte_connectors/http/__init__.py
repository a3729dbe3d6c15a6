"""HTTP for connectors of REST services: `pip install flyte-connectors[http]`.

    from flyte_connectors.http import Client, bearer

    client = Client(endpoint, field="custom.endpoint", auth=bearer(token))
    job = (await client.get("jobs", job_id)).json()

Client      sends requests below one URL and nowhere else, within limits of time and size
Reply       the answer to a request
Limits      the limits of a client
bearer, basic, header    what a request authenticates with, masked in every form that it is sent in
error_of_status          the error that a status means

A request passes through these modules:

auth        credentials as headers
client      requests and replies
failures    requests without an answer, and limits
targets     the final address of a request, checked as httpx parses it
transport   connections, kept per event loop; the address that is connected to is checked
reply       reading an answer within its limit
statuses    what statuses mean
"""

from __future__ import annotations

from typing import Any

from flyte_connectors._lazy_names import lazy_names

_get, __dir__ = lazy_names(__name__)


def __getattr__(name: str) -> Any:
    try:
        return _get(name)
    except ModuleNotFoundError as error:
        if error.name not in ("httpx", "httpcore", "anyio"):
            raise
        message = f"{__name__}.{name} needs httpx: pip install flyte-connectors[http]"
        raise ImportError(message, name=error.name) from error
