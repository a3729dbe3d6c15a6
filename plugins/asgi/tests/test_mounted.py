"""The service as an application in another server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import h2corn
import pytest
from flyte_connectors import AsyncConnector, Resource, ResourceMeta
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.asgi import ConnectorApplication
from flyte_connectors.service.settings import ServiceSettings
from flyteidl2.connector import connector_pb2 as pb
from grpc_health.v1 import health_pb2

LIST = "/flyteidl2.connector.ConnectorMetadataService/ListConnectors"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


class _Nothing(AsyncConnector[ResourceMeta]):
    name = "Nothing"
    task_type_name = "nothing"
    metadata_type = ResourceMeta

    async def create(self, *arguments: Any, **keywords: Any) -> ResourceMeta:  # type: ignore[override]
        return ResourceMeta()

    async def get(self, *arguments: Any, **keywords: Any) -> Resource:  # type: ignore[override]
        return Resource(phase=1)

    async def delete(self, *arguments: Any, **keywords: Any) -> None:  # type: ignore[override]
        """Nothing to delete."""


def _application(**settings: Any) -> ConnectorApplication:
    registry = Registry()
    registry.register(_Nothing)
    return ConnectorApplication(registry, ServiceSettings(port=0, metrics_port=0, **settings))


@contextlib.asynccontextmanager
async def _served(application: Any, lifespan: Any) -> AsyncIterator[grpc.aio.Channel]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bind = (f"fd://{listening.fileno()}",)
        config = h2corn.Config(bind=bind, grpc=True, access_log=False, lifespan=lifespan)
        server = h2corn.Server(application, config)
        serving = asyncio.ensure_future(server.serve())
        await server.wait_started()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{listening.getsockname()[1]}") as channel:
                yield channel
        finally:
            server.shutdown()
            await serving


async def test_it_lives_as_long_as_the_server() -> None:
    """It lists its connectors, and health is SERVING."""
    async with _served(_application(), "on") as channel:
        listed = pb.ListConnectorsResponse.FromString(await channel.unary_unary(LIST)(b""))
        assert [one.name for one in listed.connectors] == ["Nothing"]
        health = health_pb2.HealthCheckResponse.FromString(await channel.unary_unary(CHECK)(b""))
        assert health.status == health.SERVING


async def test_another_application_may_start_it() -> None:
    """And answer all other requests itself."""
    connectors = _application()

    async def own(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"content-type", b"").startswith(b"application/grpc"):
            await connectors(scope, receive, send)

    async with connectors, _served(own, "off") as channel:
        assert await channel.unary_unary(LIST)(b"")


async def test_a_watch_of_the_health_ends_when_it_stops() -> None:
    """With NOT_SERVING before; a shutdown would otherwise take the whole grace period."""
    connectors = _application(grace=20.0)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(connectors)
        channel = await stack.enter_async_context(_served(connectors, "off"))
        watch = channel.unary_stream(WATCH)(b"")
        first = health_pb2.HealthCheckResponse.FromString(await watch.read())
        assert first.status == first.SERVING
        reflecting = channel.stream_stream(REFLECTION)()
        await asyncio.wait_for(connectors.service.stop(), 5)
        second = health_pb2.HealthCheckResponse.FromString(await watch.read())
        assert second.status == second.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watch.read()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        reflecting.cancel()
        connectors.service.stop = _nothing  # type: ignore[method-assign]  # it has stopped


async def _nothing() -> None:
    pass


async def test_a_server_without_lifespan_is_named() -> None:
    """With the way out."""
    with pytest.raises(RuntimeError, match="async with"):
        await _application()({"type": "http", "path": "/"}, None, None)


def test_without_h2corn_the_error_names_the_way_out(tmp_path: pathlib.Path) -> None:
    """As on Python 3.10."""
    (tmp_path / "h2corn.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "flyte_connectors", "serve", "--transport", "asgi", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pip install flyte-connectors[fast]" in line
    assert "--transport" in line
