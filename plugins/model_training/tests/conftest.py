"""The training service as a real process, and a server that answers wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from flyte_connectors_training_service.testing import ServiceProcess, digits, large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Self

__all__ = ["ServiceProcess", "digits", "large", "service"]

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator allows this machine's own services."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "127.0.0.1")


@pytest.fixture(scope="session")
def object_stores() -> Iterator[None]:
    """An S3 server, and one of Google Cloud Storage's API, each with a bucket; the service knows them."""
    import boto3
    import gcp_storage_emulator.server
    from moto.server import ThreadedMotoServer

    s3 = ThreadedMotoServer("127.0.0.1", 0)
    s3.start()
    gcs = gcp_storage_emulator.server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    gcs.start()
    host, port = s3.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{gcs._api._httpd.server_address[1]}",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        client.close()
        yield
    gcs.stop()
    s3.stop()


@pytest.fixture(scope="session")
def service(object_stores: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service that all tests share; their jobs need different ids."""
    with ServiceProcess(tmp_path_factory.mktemp("service"), "--workers", "2") as process:
        yield process


class ScriptedServer:
    """A TCP server that answers as scripted, byte by byte: what no proper service does.

    Attributes:
        replies: One per request, the last one for ever: bytes, or a coroutine function that gets
            the stream writer.
        requests: What was received.
    """

    def __init__(self) -> None:
        self._answering: set[asyncio.Task[None]] = set()
        self.replies: list[Any] = []
        self.requests: list[str] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}/jobs"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def answer(self, *bodies: Any, status: str = "200 OK", headers: str = "") -> None:
        """Script replies with JSON bodies."""
        for body in bodies:
            content = json.dumps(body).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}"
            self.replies.append(f"{head}Connection: close\r\n\r\n".encode() + content)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._answering.add(task)
        try:
            await self._answer_one(reader, writer)
        finally:
            self._answering.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.requests.append(head + body.decode())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        with contextlib.suppress(ConnectionError):
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(writer)


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A server to be scripted."""
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
def scripted_elsewhere() -> Iterator[ScriptedServer]:
    """A server to be scripted, on an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ScriptedServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
