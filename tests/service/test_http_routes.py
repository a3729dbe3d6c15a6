"""Pages of plugins on the service's HTTP port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import types
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest
from flyte_connectors import hookimpl
from flyte_connectors._registry.discovery import load_module
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import RegistrationError, ServiceStartError
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings

from tests.fakes.fake import CONNECTORS
from tests.service.hosting import TRANSPORT
from tests.service.http import Answer, fetch

TEXT = [("Content-Type", "text/plain")]


def plugin(routes: Mapping[str, Any]) -> types.ModuleType:
    """A module with the hook."""
    module = types.ModuleType("pages")

    @hookimpl
    def http_routes(service: ConnectorService) -> Mapping[str, Any]:
        module.service = service  # type: ignore[attr-defined]
        return routes

    module.http_routes = http_routes  # type: ignore[attr-defined]
    return module


@contextlib.asynccontextmanager
async def serving(*modules: types.ModuleType) -> AsyncIterator[ConnectorService]:
    registry = Registry()
    for connector in CONNECTORS:
        registry.register(connector)
    for module in modules:
        load_module(registry, module, "test")
    service = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0, grace=1.0, transport=TRANSPORT))
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def echo(environ: Mapping[str, Any], start: Any) -> Iterable[bytes]:
    start("200 OK", TEXT)
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)).decode()
    parts = (environ[name] for name in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"))
    return [" ".join((*parts, body)).encode()]


async def get(service: ConnectorService, path: str) -> Answer:
    return await fetch(f"127.0.0.1:{service.metrics_port}", path)


def test_the_hook_is_verified_when_it_is_loaded() -> None:
    """An argument that it does not have is an error, and nothing is taken."""
    module = types.ModuleType("pages")

    @hookimpl
    def http_routes(server: Any) -> Mapping[str, Any]:
        return {}

    module.http_routes = http_routes  # type: ignore[attr-defined]
    registry = Registry()
    with pytest.raises(RegistrationError, match=r"pages: .*Argument\(s\) {'server'}"):
        load_module(registry, module, "test")
    assert registry.hooks["http_routes"] == ()


async def test_a_page_answers_its_path_and_those_below() -> None:
    """It sees the rest of the path; what is beside it is still there."""
    async with serving(module := plugin({"/echo": echo, "/echo/deep": echo})) as service:
        assert module.service is service
        assert (await get(service, "/echo")).body.split(" ")[:3] == ["GET", "/echo", ""]
        assert (await get(service, "/echo/a/b?c=d")).body.startswith("GET /echo /a/b c=d")
        assert (await get(service, "/echo/deep/a")).body.startswith("GET /echo/deep /a")
        assert (await get(service, "/echoes")).status == 404
        assert "/echo" in (await get(service, "/")).body
        assert (await get(service, "/readyz")).body == "ready\n"
        assert "flyte_connectors_plugins" in (await get(service, "/metrics")).body


async def test_a_hook_may_take_fewer_arguments() -> None:
    """As pluggy lets it."""
    module = types.ModuleType("pages")

    @hookimpl
    def http_routes() -> Mapping[str, Any]:
        return {"/echo": echo}

    module.http_routes = http_routes  # type: ignore[attr-defined]
    async with serving(module) as service:
        assert (await get(service, "/echo")).status == 200


async def test_a_page_takes_other_methods() -> None:
    """With a body."""

    def post(port: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/echo", body="hello")
            return connection.getresponse().read().decode()

    async with serving(plugin({"/echo": echo})) as service:
        answer = await asyncio.to_thread(post, service.metrics_port)
    assert answer == "POST /echo   hello"


async def test_a_page_may_answer_bit_by_bit() -> None:
    """What it has yielded arrives before the rest is there."""
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(environ: Mapping[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", TEXT)
        yield b"first\n"
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
        yield b"second\n"

    async with serving(plugin({"/slow": slow})) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.metrics_port)
        writer.write(b"GET /slow HTTP/1.0\r\n\r\n")
        assert b"first\n" in await asyncio.wait_for(reader.readuntil(b"first\n"), 10)
        assert (await get(service, "/healthz")).body == "alive\n"
        go_on.set()
        assert await asyncio.wait_for(reader.read(), 10) == b"second\n"
        writer.close()


async def test_a_page_that_fails_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the log."""

    def broken(environ: Mapping[str, Any], start: Any) -> Iterable[bytes]:
        raise ValueError("a secret")

    async with serving(plugin({"/broken": broken})) as service:
        answer = await get(service, "/broken")
    assert (answer.status, answer.body) == (500, "failed; see the service's log\n")
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        (["metrics"], "'metrics' must begin with /"),
        (["/"], "'/' must begin with / and not end with it"),
        (["/metrics"], "/metrics is taken"),
        (["/a", "/a"], "/a is taken"),
    ],
)
async def test_a_path_that_can_not_be_is_told_at_the_start(paths: list[str], text: str) -> None:
    """And the service does not start."""
    with pytest.raises(ServiceStartError, match=text):
        async with serving(*(plugin({path: echo}) for path in paths)):
            pass  # pragma: no cover
