"""A server that records what reaches it, byte by byte, and answers as scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typing_extensions import Self


class Server:
    """A TCP server on loopback.

    Attributes:
        replies: One per request, the last one for ever: bytes, or a coroutine function that gets the
            stream writer.
        requests: What was received.
        connections: How many connections were accepted.
    """

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self.requests: list[str] = []
        self.connections = 0
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def answer(self, body: Any = None, status: str = "200 OK", headers: str = "") -> None:
        """Script one more reply with a JSON body."""
        self.send(json.dumps(body).encode(), status, f"Content-Type: application/json\r\n{headers}")

    def send(self, content: bytes, status: str = "200 OK", headers: str = "") -> None:
        """Script one more reply."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        self.replies.append(head.encode() + content)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer_one(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        self.requests.append(head + body.decode())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if not isinstance(reply, bytes):
            await reply(writer)
            writer.close()
            return
        writer.write(reply)
        await writer.drain()
        if not reply.startswith(b"HTTP/1.1") or b"Content-Length" not in reply:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running
