"""Secrets and configs as arguments: they replace nothing, and nothing that leaves shows a secret."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_jobs import (
    JobConnector,
    JobMeta,
    JobService,
    create_request,
    get_request,
    logs_request,
    metrics_request,
    template,
)
from flyte_connectors import Resource, hookspecs
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._masking import MASK
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConnectorError, InvalidRequestError, ServiceUnavailableError
from flyte_connectors.secrets import mask
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

CANARY = 'c4n4ry/of+the "arguments"'
ARGUMENTS = {
    argument for verb in hookspecs.VERBS for argument in inspect.signature(getattr(hookspecs, verb)).parameters
}


@pytest.mark.parametrize("name", sorted(ARGUMENTS | {"self", "cls"}))
@pytest.mark.parametrize("field", ["custom.secrets", "connection.secrets", "connection.configs"])
async def test_no_argument_of_a_hook_can_be_replaced(
    dispatcher: Dispatcher, service: JobService, name: str, field: str
) -> None:
    """Whatever arguments the specifications have; the error says whose name it is."""
    place, table = field.split(".")
    given = {table: {name: "value"}}
    request = create_request(
        template(custom=given if place == "custom" else {}),
        connection=given if place == "connection" else {},
    )
    with pytest.raises(InvalidRequestError, match=rf"{field}\.{name}: .* argument of the connector"):
        await dispatcher.create(request)
    assert not service.calls


async def test_a_config_with_the_name_of_a_secret_is_reported_as_a_config(
    dispatcher: Dispatcher,
) -> None:
    """It is the config that has to be renamed."""
    connection = {"secrets": {"region": "s"}, "configs": {"region": "c"}}
    with pytest.raises(InvalidRequestError, match=r"connection\.configs\.region: .* by a secret"):
        await dispatcher.create(create_request(connection=connection))


@pytest.mark.parametrize("secrets", [{str(n): "s" for n in range(300)}, {"a": "x" * 2_000_000}], ids=["many", "large"])
async def test_no_request_can_bring_more_secrets_than_can_be_masked(
    dispatcher: Dispatcher, secrets: dict[str, str]
) -> None:
    """Each costs the masking of every text."""
    with pytest.raises(InvalidRequestError, match=r"connection\.secrets: .* too much"):
        await dispatcher.create(create_request(connection={"secrets": secrets}))


class Leaky(JobConnector):
    """Puts its secret, and a token derived from it, into everything."""

    def texts(self, secret: str) -> str:
        thread = threading.Thread(target=mask, args=("token-of-a-thread",))
        thread.start()
        thread.join()
        mask("token-of-the-session")
        return f"{secret} token-of-the-session token-of-a-thread"

    async def get(self, resource_meta: JobMeta, db: str = "", **kwargs: Any) -> Resource:
        text = self.texts(db)
        return Resource(Phase.QUEUED, message=text, custom_info={text: [{text: text}]})

    async def get_logs(self, resource_meta: JobMeta, db: str = "", **kwargs: Any) -> AsyncIterator[Any]:
        text = self.texts(db)
        yield LogLine(message=text)
        yield pb.GetTaskLogsResponse(body={"results": [text], "lines": [{"message": text}]})
        yield pb.GetTaskLogsResponse(header={"token": text})
        raise ServiceUnavailableError(text)

    async def get_metrics(self, resource_meta: JobMeta, db: str = "", **kwargs: Any) -> Any:
        text = self.texts(db)
        response = pb.GetTaskMetricsResponse()
        response.results.add(metric=text).data.update({text: {text: text}})
        return response

    async def delete(self, resource_meta: JobMeta, db: str = "", **kwargs: Any) -> None:
        raise ServiceUnavailableError(self.texts(db)) from ValueError(self.texts(db))


class LeakyBlocking(Leaky):
    """Blocks the loop, so that its calls are moved to a loop of their own."""

    async def get(self, resource_meta: JobMeta, db: str = "", **kwargs: Any) -> Resource:
        time.sleep(0.3)  # noqa: ASYNC251
        return await super().get(resource_meta, db, **kwargs)


@pytest.mark.parametrize("connector", [Leaky, LeakyBlocking])
async def test_nothing_that_leaves_shows_a_secret(connector: type[Leaky], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of logs, metrics and errors, too; what the connector has derived included, from any loop or thread."""
    monkeypatch.setenv("FLYTE_SECRET_DB", CANARY)
    registry, guard = Registry(), CallGuard(isolate=connector is LeakyBlocking)
    registry.register(connector(JobService()))
    guard.start()
    dispatcher = Dispatcher(registry, guard)
    request = create_request(template(custom={"secrets": {"db": "db"}}))
    meta = (await dispatcher.create(request)).resource_meta
    left = []
    for _ in range(3):
        left.append((await dispatcher.get(get_request(meta))).SerializeToString())
        await asyncio.sleep(0)
    left.append((await dispatcher.get_metrics(metrics_request(meta))).SerializeToString())
    items = dispatcher.get_logs(logs_request(meta))
    left += [(await anext(items)).SerializeToString() for _ in range(3)]
    with pytest.raises(ConnectorError) as caught:
        await anext(items)
    left.append(str(caught.value).encode())
    assert len(left) == 8
    for data in left:
        assert MASK.encode() in data
        assert b"c4n4ry" not in data
        assert b"token-of" not in data
    isolated = any(lane.loop for lane in guard._lanes.values())
    assert isolated == (connector is LeakyBlocking)
    await guard.drain(5)
