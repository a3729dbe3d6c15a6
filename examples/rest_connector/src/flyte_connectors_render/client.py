"""The HTTP API of Render: the only module that knows it."""

from __future__ import annotations

import os
from typing import Any

from flyte_connectors import http

ENDPOINT_VARIABLE = "FLYTE_RENDER_ENDPOINT"
DEFAULT_ENDPOINT = "http://127.0.0.1:8765"  # where the fake service listens
LIMITS = http.Limits(reply_seconds=10)
ENDED_ALREADY = 409


def endpoint() -> str:
    """Where the service is. Its operator decides that, not a task, because keys are sent there."""
    return os.environ.get(ENDPOINT_VARIABLE, DEFAULT_ENDPOINT)


def connect(*, api_key: str = "", **_: Any) -> Client:
    """A client for one call of a verb; connections are kept.

    Args:
        api_key: The secret of that name; empty for none.
    """
    auth = http.header("X-Api-Key", api_key) if api_key else None
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

    async def submit(self, key: str, scene: str, samples: int) -> str:
        """Start a rendering, and return the id that the service chose; the same key again is the same one."""
        reply = await self._http.post(
            "v2",
            "renders",
            body={"scene": {"text": scene}, "quality": {"samples": samples}},
            headers={"Idempotency-Key": key},
            repeatable=True,  # because of the key
        )
        render_id: str = reply.json_object(id=str)["id"]
        return render_id

    async def status(self, render_id: str) -> dict[str, Any]:
        """Its `status`, `percent`, and `picture` and `error` or null."""
        reply = await self._http.get("v2", "renders", render_id)
        return reply.json_object(status=str, percent=int, picture=str | None, error=str | None)

    async def stop(self, render_id: str) -> None:
        """Stop it; the service refuses that for one that has ended, which is as good."""
        reply = await self._http.post(
            "v2", "renders", render_id, "stop", repeatable=True, check=False
        )
        if not reply.is_success and reply.status != ENDED_ALREADY:
            raise reply.error()
