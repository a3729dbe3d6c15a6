"""A running service: whether it can be reached, is healthy, and serves anything."""

from __future__ import annotations

import asyncio

from flyte_connectors.cli.job_clients import service_at
from flyte_connectors.errors import ConnectorError

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "service"
SECONDS = 10.0


def check(endpoint: str) -> tuple[list[Finding], set[str] | None]:
    """Findings about the service at `endpoint`, and the task types that it serves; None if it can't be asked."""
    try:
        types = asyncio.run(asyncio.wait_for(_types(endpoint), SECONDS))
    except ConnectorError as error:
        fix = _fix(error.message)
        return [Finding(CHECK, Status.FAULT, endpoint, error.message, fix)], None
    except asyncio.TimeoutError:
        text, fix = (
            f"no answer within {SECONDS:g} s",
            "see the service's log, and whether it is blocked",
        )
        return [Finding(CHECK, Status.FAULT, endpoint, text, fix)], None
    if not types:
        text = "serves no task type, so it is NOT_SERVING"
        fix = "install plugins there, and see its log for those that failed to load"
        return [Finding(CHECK, Status.FAULT, endpoint, text, fix)], types
    return [Finding(CHECK, Status.OK, endpoint, f"serves {', '.join(sorted(types))}")], types


async def _types(endpoint: str) -> set[str]:
    async with service_at(endpoint) as service:
        reply = await service.list_connectors()
        return {category.name for connector in reply.connectors for category in connector.supported_task_categories}


def _fix(text: str) -> str:
    if "token" in text.lower():
        return "set FLYTE_CONNECTORS_ENDPOINT_TOKEN to a line of the service's auth-token-file"
    if "TLS" in text or "certificate" in text:
        return "write https:// if it uses TLS, and set FLYTE_CONNECTORS_ENDPOINT_CA for a private authority"
    return "start the service there, or correct the address"
