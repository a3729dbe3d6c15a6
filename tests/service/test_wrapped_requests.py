"""What pages of plugins build on: wrapped requests, and the HTTP port over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import types
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import hookimpl
from flyte_connectors._registry.discovery import load_module
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings
from flyteidl2.connector import connector_pb2 as pb

from tests.fakes.fake import CONNECTORS, FakeConnector
from tests.fakes.job_service import FOLDER_VARIABLE
from tests.fakes.requests import create_request
from tests.hardening.certificates import Authority
from tests.service.hosting import TRANSPORT


def recording(seen: list[Any]) -> types.ModuleType:
    """A plugin that records requests and adds to replies."""
    module = types.ModuleType("recording")

    def wrapper(name: str, answer: Any) -> Any:
        async def wrapped(request: Any, timeout: float | None = None) -> Any:
            try:
                reply = await answer(request, timeout)
            except InvalidRequestError as error:
                seen.append((name, type(error).__name__))
                raise
            sealed = reply.resource_meta if name == "CreateTask" else request.resource_meta
            seen.append((name, sealed))
            if name == "GetTask":
                reply.resource.log_links.add(name="added")
            return reply

        return wrapped

    @hookimpl
    def http_routes(service: ConnectorService) -> dict[str, Any]:
        service.wrap_requests(wrapper)
        return {}

    module.http_routes = http_routes  # type: ignore[attr-defined]
    return module


async def test_a_plugin_sees_each_request_as_flyte_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sealed meta; what it adds to replies is sent; errors pass."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    seen: list[Any] = []
    registry = Registry()
    registry.register(FakeConnector)
    load_module(registry, recording(seen), "test")
    service = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0, grace=1.0, transport=TRANSPORT))
    await service.start()
    try:
        async with RemoteService(service.address) as client:
            creating = create_request(FakeConnector.task_type_name)
            meta = (await client.create(creating)).resource_meta
            category = pb.TaskCategory(name=FakeConnector.task_type_name)
            reply = await client.get(pb.GetTaskRequest(resource_meta=meta, task_category=category))
            assert [link.name for link in reply.resource.log_links][-1] == "added"
            await client.delete(pb.DeleteTaskRequest(resource_meta=meta, task_category=category))
            damaged = pb.GetTaskRequest(resource_meta=b"\0fc2damaged", task_category=category)
            with pytest.raises(InvalidRequestError):
                await client.get(damaged)
    finally:
        await service.stop()
    named = [(name, meta) for name in ("CreateTask", "GetTask", "DeleteTask")]
    assert seen == [*named, ("GetTask", "InvalidResourceMetaError")]


def secured(registry: Registry, folder: Path) -> tuple[ConnectorService, ssl.SSLContext]:
    """A service with a certificate, and what trusts it."""
    registry.register(CONNECTORS[0])
    authority = Authority("test")
    pair = authority.sign()
    files = {"cert": pair.certificate, "key": pair.key, "ca": authority.certificate}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    cert, key, ca = (str(folder / name) for name in files)
    settings = ServiceSettings(port=0, metrics_port=0, grace=1.0, tls_cert=cert, tls_key=key, transport=TRANSPORT)
    return ConnectorService(registry, settings), ssl.create_default_context(cafile=ca)


async def test_the_http_port_answers_over_tls_too(tmp_path: Path) -> None:
    """Probes without it, browsers with it."""
    service, trusted = secured(Registry(), tmp_path)
    await service.start()
    try:

        def ask(scheme: str) -> bytes:
            url = f"{scheme}://localhost:{service.metrics_port}/readyz"
            context = trusted if scheme == "https" else None
            with urllib.request.urlopen(url, context=context, timeout=10) as reply:
                body: bytes = reply.read()
                return body

        assert await asyncio.to_thread(ask, "https") == await asyncio.to_thread(ask, "http") == b"ready\n"
    finally:
        await service.stop()


def endless() -> types.ModuleType:
    """A plugin with a page that goes on until its browser leaves."""
    module = types.ModuleType("endless")

    def page(environ: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        try:
            while True:
                yield b"x" * 10_000
        finally:
            module.ended.set()  # type: ignore[attr-defined]

    @hookimpl
    def http_routes(service: ConnectorService) -> dict[str, Any]:
        return {"/endless": page}

    module.ended, module.http_routes = threading.Event(), http_routes  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_browser_that_leaves_a_page_is_not_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], scheme: str
) -> None:
    """Over TLS as little as without; most browsers just close the connection."""
    registry, plugin = Registry(), endless()
    load_module(registry, plugin, "test")
    service, trusted = secured(registry, tmp_path)
    await service.start()

    def leave() -> bool:
        with socket.create_connection(("localhost", service.metrics_port)) as plain:
            is_https = scheme == "https"
            client = trusted.wrap_socket(plain, server_hostname="localhost") if is_https else plain
            client.sendall(b"GET /endless HTTP/1.0\r\n\r\n")
            assert client.recv(1000)
            client.close()
        ended: bool = plugin.ended.wait(10)
        return ended

    try:
        assert await asyncio.to_thread(leave)
    finally:
        await service.stop()
    assert "Traceback" not in capfd.readouterr().err
