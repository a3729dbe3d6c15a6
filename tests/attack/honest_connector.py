"""Connectors without a fault of their own, so that every INTERNAL is the service's; for `serve --module`.

They keep nothing: a job is its meta. Messages quote the secret, which the service has to mask.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnector,
)
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flyteidl2.logs.dataplane.payload_pb2 import LogLine


@dataclass
class HonestMeta(ResourceMeta):
    """The job's key."""

    key: str
    number: int = 0


class Honest(AsyncConnector[HonestMeta]):
    """All verbs, as coroutines."""

    name = "Honest"
    task_type_name = "honest"
    metadata_type = HonestMeta

    async def create(self, inputs: Any, idempotency_key: str, **secrets: Any) -> HonestMeta:
        return HonestMeta(idempotency_key, len(repr(inputs)))

    async def get(self, resource_meta: HonestMeta, **secrets: Any) -> Resource:
        return state(resource_meta, secrets)

    async def delete(self, resource_meta: HonestMeta, **secrets: Any) -> None:
        pass

    async def get_logs(
        self, resource_meta: HonestMeta, token: str, lines: int, **secrets: Any
    ) -> AsyncIterator[GetTaskLogsResponse | LogLine]:
        for item in page(token, lines):
            yield item

    async def get_metrics(
        self,
        resource_meta: HonestMeta,
        queries: Any,
        start_time: Any,
        end_time: Any,
        step: Any,
        **secrets: Any,
    ) -> GetTaskMetricsResponse:
        response = GetTaskMetricsResponse()
        asked = f"{start_time} {end_time} {step}"
        for query in queries or ("all",):
            labels = {"asked": asked}
            data = {"resultType": "matrix", "result": [{"metric": labels, "values": []}]}
            response.results.add(metric=query).data.update(data)
        return response


class HonestPlain(Honest):
    """Some verbs, as plain functions."""

    name = "Honest Plain"
    task_type_name = "honest_plain"
    task_type_version = 2

    def create(  # type: ignore[override]
        self, inputs: Any, idempotency_key: str, **secrets: Any
    ) -> HonestMeta:
        return HonestMeta(idempotency_key, len(repr(inputs)))

    def get(self, resource_meta: HonestMeta, **secrets: Any) -> Resource:  # type: ignore[override]
        return state(resource_meta, secrets)

    def delete(self, resource_meta: HonestMeta, **secrets: Any) -> None:  # type: ignore[override]
        pass

    def get_logs(  # type: ignore[override]
        self, resource_meta: HonestMeta, token: str, lines: int, **secrets: Any
    ) -> Iterator[GetTaskLogsResponse | LogLine]:
        yield from page(token, lines)


class HonestSync(SyncConnector):
    """Answers at once."""

    name = "Honest Sync"
    task_type_name = "honest_sync"

    async def do(self, inputs: Any, **secrets: Any) -> Resource:
        return Resource(phase=Phase.SUCCEEDED, message=f"{len(repr(inputs))} {secrets!r:.200}")


def state(meta: HonestMeta, secrets: dict[str, Any]) -> Resource:
    """A job that runs, and says with which secrets."""
    texts = " ".join(map(str, secrets.values()))
    return Resource(phase=Phase.QUEUED, message=texts[:2000], custom_info={"key": meta.key, texts: 1})


def page(token: str, lines: int) -> Iterator[GetTaskLogsResponse | LogLine]:
    """A few lines and the next page."""
    if token and not (token.isascii() and token.isdecimal() and len(token) < 9):
        raise InvalidRequestError("not a page of this log: start with an empty token", field="token")
    for number in range(min(lines or 3, 3)):
        yield LogLine(message=f"line {int(token or 0) + number}")
    yield GetTaskLogsResponse(header={"token": str(int(token or 0) + 3)})


for connector in (Honest, HonestPlain, HonestSync):
    ConnectorRegistry.register(connector(), override=True)
