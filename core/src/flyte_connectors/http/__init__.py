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

import importlib
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import NotJsonError, UncertainOutcomeError

if TYPE_CHECKING:
    from flyte_connectors.http.auth import basic, bearer, header
    from flyte_connectors.http.client import Client
    from flyte_connectors.http.failures import Limits
    from flyte_connectors.http.reply import Reply
    from flyte_connectors.http.statuses import error_of_status

_HOMES = {
    "Client": "client",
    "Limits": "failures",
    "Reply": "reply",
    "basic": "auth",
    "bearer": "auth",
    "error_of_status": "statuses",
    "header": "auth",
}

__all__ = [
    "Client",
    "Limits",
    "NotJsonError",
    "Reply",
    "UncertainOutcomeError",
    "basic",
    "bearer",
    "error_of_status",
    "header",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if error.name not in ("httpx", "httpcore", "anyio"):
            raise
        message = f"{__name__}.{name} needs httpx: pip install flyte-connectors[http]"
        raise ImportError(message, name=error.name) from error
    return getattr(module, name)
