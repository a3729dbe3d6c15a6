"""Packs a connector's log items into response messages: small ones are joined, large ones split.

A connector may yield one line at a time; a message for each would cost fifty times the line itself.
Lines are therefore gathered for as long as the connector has them ready, and sent when it pauses.
Joining happens on the serialized bytes: a `GetTaskLogsResponseBody` has only repeated fields, so the
concatenation of two is the encoding of both (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors.errors import InternalError
from flyte_connectors.types.wire_format import head, tag_of

SOFT_LIMIT = 256 * 1024
"""Bytes after which a message is sent although more is ready."""

HARD_LIMIT = 2 * 1024 * 1024
"""Bytes that no message exceeds; Flyte's client receives at most 4 MiB."""

_FRAMES = 64
"""Bytes that tags, lengths and a line's other fields add at most to its text."""

_BODY = tag_of(GetTaskLogsResponse, "body")
_LINES = tag_of(GetTaskLogsResponseBody, "lines")
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
    """Serialized parts between the reader and the stream.

    Attributes:
        parts: Those of a body, always the same list.
        size: Their bytes, at least 1 for each.
        filled: Set when there are any.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.filled = asyncio.Event()
        self._messages: list[bytes] = []  # before these parts
        self._drained = asyncio.Event()

    def add(self, part: bytes) -> None:
        """Add a part of a body."""
        if not self.size:
            self.filled.set()
        self.parts.append(part)
        self.size += len(part) or 1

    def add_message(self, message: bytes) -> None:
        """Add a whole message."""
        self.add(message)
        self._messages += [*_bodies(self.parts[:-1]), message]
        self.parts.clear()

    async def wait(self, reader: asyncio.Future[None]) -> None:
        """Return when there is something to send or the reader has ended."""
        filled = asyncio.ensure_future(self.filled.wait())
        try:
            await asyncio.wait((filled, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()

    async def drained(self) -> None:
        """Return when what was added has been taken."""
        self._drained.clear()
        await self._drained.wait()

    def take(self) -> list[bytes]:
        messages = [*self._messages, *_bodies(self.parts)]
        self._messages, self.size = [], 0
        self.parts.clear()
        self.filled.clear()
        self._drained.set()
        return messages


def _bodies(parts: list[bytes]) -> Iterator[bytes]:
    """Messages of at most `HARD_LIMIT` bytes: usually one."""
    start = size = 0
    for end in range(len(parts)) if sum(map(len, parts)) > HARD_LIMIT - _FRAMES else ():
        if size + len(parts[end]) > HARD_LIMIT - _FRAMES:
            yield _framed(_BODY, b"".join(parts[start:end]))
            start, size = end, 0
        size += len(parts[end])
    if parts:
        yield _framed(_BODY, b"".join(parts[start:]))


async def _read(items: AsyncIterator[Any], pending: _Pending) -> None:
    append, filled, largest = pending.parts.append, pending.filled, HARD_LIMIT - _FRAMES
    async for item in items:
        if isinstance(item, LogLine):  # very many: what `add` does, without a call for each
            data = item.SerializeToString()
            size = len(data)
            if size > largest:
                data = _cut(item)
                size = len(data)
            if not pending.size:
                filled.set()
            append(head(_LINES, size) + data)
            pending.size += size + 1
        elif not isinstance(item, GetTaskLogsResponse):
            raise InternalError(f"get_logs yielded {type(item).__name__}: yield LogLine or GetTaskLogsResponse")
        elif item.HasField("body"):
            _add_body(item.body, pending)
        else:
            pending.add_message(item.SerializeToString())
        if pending.size > SOFT_LIMIT:
            await pending.drained()


def _add_body(body: GetTaskLogsResponseBody, pending: _Pending) -> None:
    part = body.SerializeToString()
    if len(part) <= HARD_LIMIT - _FRAMES:
        pending.add(part)
        return
    for line in body.lines:
        data = _cut(line)
        pending.add(head(_LINES, len(data)) + data)
    for text in body.results:
        pending.add(GetTaskLogsResponseBody(results=[_shortened(text)]).SerializeToString())


def _cut(line: LogLine) -> bytes:
    """A line that fits a message."""
    short = LogLine()
    short.CopyFrom(line)
    short.message = _shortened(line.message)
    data: bytes = short.SerializeToString()
    return data


def _shortened(text: str) -> str:
    """`text` cut so that its UTF-8 form, at most four bytes a character, fits a message."""
    room = HARD_LIMIT // 4 - _FRAMES
    return text if len(text) <= room or len(text.encode()) <= 4 * room else text[: room - len(_TRUNCATED)] + _TRUNCATED


def _framed(tag: int, payload: bytes) -> bytes:
    return head(tag, len(payload)) + payload
