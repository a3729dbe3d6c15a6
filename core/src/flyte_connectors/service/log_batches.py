"""Packs a connector's log items into response messages: small ones are joined, large ones split.

A connector may yield one line at a time; a message for each would cost fifty times the line itself.
Lines are therefore gathered for as long as the connector has them ready, and sent when it pauses.
Joining happens on the serialized bytes: a `GetTaskLogsResponseBody` has only repeated fields, so the
concatenation of two is the encoding of both (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors.errors import InternalError

SOFT_LIMIT = 256 * 1024
"""Bytes after which a message is sent although more is ready."""

HARD_LIMIT = 2 * 1024 * 1024
"""Bytes that no message exceeds; Flyte's client receives at most 4 MiB."""

_FRAMES = 64
"""Bytes that tags, lengths and a line's other fields add at most to its text."""

_BODY = GetTaskLogsResponse.DESCRIPTOR.fields_by_name["body"].number << 3 | 2
_LINES = GetTaskLogsResponseBody.DESCRIPTOR.fields_by_name["lines"].number << 3 | 2
_TRUNCATED = " [truncated]"


async def log_messages(items: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Serialized `GetTaskLogsResponse` messages for what a connector yields.

    Args:
        items: `GetTaskLogsResponse` and `LogLine` messages.

    Raises:
        InternalError: an item is neither.
        ConnectorError: what `items` raises, after all that came before it has been sent.
    """
    pending = _Pending()
    reader = asyncio.ensure_future(_read(items, pending))
    try:
        while not reader.done() or pending.size:
            await pending.wait(reader)
            for message in pending.take():
                yield message
        await reader
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reader


class _Pending:
    """Serialized pieces between the reader and the stream."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[tuple[bool, bytes]] = []  # (whether a part of a body, bytes)
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def add(self, is_body: bool, piece: bytes) -> None:
        if not self._pieces:
            self._filled.set()
        self._pieces.append((is_body, piece))
        self.size += len(piece) or 1

    async def wait(self, reader: asyncio.Future[None]) -> None:
        """Return when there is something to send or the reader has ended."""
        filled = asyncio.ensure_future(self._filled.wait())
        await asyncio.wait((filled, reader), return_when=asyncio.FIRST_COMPLETED)
        filled.cancel()

    async def drained(self) -> None:
        """Return when what was added has been taken."""
        self._drained.clear()
        await self._drained.wait()

    def take(self) -> list[bytes]:
        pieces, self._pieces, self.size = self._pieces, [], 0
        self._filled.clear()
        self._drained.set()
        messages: list[bytes] = []
        body: list[bytes] = []
        size = 0
        for is_body, piece in pieces:
            if body and (not is_body or size + len(piece) > HARD_LIMIT - _FRAMES):
                messages.append(_framed(_BODY, b"".join(body)))
                body, size = [], 0
            if is_body:
                body.append(piece)
                size += len(piece)
            else:
                messages.append(piece)
        if body:
            messages.append(_framed(_BODY, b"".join(body)))
        return messages


async def _read(items: AsyncIterator[Any], pending: _Pending) -> None:
    async for item in items:
        if isinstance(item, LogLine):
            _add_line(item, pending)
        elif not isinstance(item, GetTaskLogsResponse):
            raise InternalError(f"get_logs yielded {type(item).__name__}: yield LogLine or GetTaskLogsResponse")
        elif item.HasField("body"):
            _add_body(item.body, pending)
        else:
            pending.add(False, item.SerializeToString())
        if pending.size > SOFT_LIMIT:
            await pending.drained()


def _add_body(body: GetTaskLogsResponseBody, pending: _Pending) -> None:
    piece = body.SerializeToString()
    if len(piece) <= HARD_LIMIT - _FRAMES:
        pending.add(True, piece)
        return
    for line in body.lines:
        _add_line(line, pending)
    for text in body.results:
        pending.add(True, GetTaskLogsResponseBody(results=[_shortened(text)]).SerializeToString())


def _add_line(line: LogLine, pending: _Pending) -> None:
    piece = line.SerializeToString()
    if len(piece) > HARD_LIMIT - _FRAMES:
        short = LogLine()
        short.CopyFrom(line)
        short.message = _shortened(line.message)
        piece = short.SerializeToString()
    pending.add(True, _framed(_LINES, piece))


def _shortened(text: str) -> str:
    """`text` cut so that its UTF-8 form, at most four bytes a character, fits a message."""
    room = HARD_LIMIT // 4 - _FRAMES
    return text if len(text) <= room else text[: room - len(_TRUNCATED)] + _TRUNCATED


def _framed(tag: int, payload: bytes) -> bytes:
    """A length-delimited field: tag, length as a varint, payload."""
    return _head(tag, len(payload)) + payload


@lru_cache(maxsize=1024)
def _head(tag: int, length: int) -> bytes:
    head = bytearray((tag,))
    while length > 0x7F:  # noqa: PLR2004  (seven bits a byte)
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head)
