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
_SHORT = 128  # bytes of a line; nearly all have fewer
_SHORT_HEADS = [bytes((_LINES, length)) for length in range(_SHORT)]
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
        while not reader.done() or pending.has_any:
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
        filled: Set when there are any.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.filled = asyncio.Event()
        self._messages: list[bytes] = []  # before these parts
        self._drained = asyncio.Event()

    @property
    def has_any(self) -> bool:
        """Whether there are parts or messages."""
        return bool(self.parts or self._messages)

    def add(self, part: bytes) -> None:
        """Add a part of a body."""
        self.filled.set()
        self.parts.append(part)

    def add_message(self, message: bytes) -> None:
        """Add a whole message."""
        self.filled.set()
        self._messages += [*_bodies(self.parts), message]
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
        self._messages = []
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
    parts, append, largest = pending.parts, pending.parts.append, HARD_LIMIT - _FRAMES
    held = 0  # bytes since the stream was waited for, at most; 2 and more for each item
    async for item in items:
        if isinstance(item, LogLine):  # very many: what `add` does, without a call for each
            data = item.SerializeToString()
            size = len(data)
            if size > largest:
                data = _cut(item)
                size = len(data)
            if not parts:
                pending.filled.set()
            append((_SHORT_HEADS[size] if size < _SHORT else head(_LINES, size)) + data)
            held += size + 2
        elif not isinstance(item, GetTaskLogsResponse):
            raise InternalError(f"get_logs yielded {type(item).__name__}: yield LogLine or GetTaskLogsResponse")
        elif item.HasField("body"):
            held += _add_body(item.body, pending)
        else:
            pending.add_message(item.SerializeToString())
            held += item.ByteSize() + 2
        if held > SOFT_LIMIT:
            held = 0
            if pending.has_any:
                await pending.drained()


def _add_body(body: GetTaskLogsResponseBody, pending: _Pending) -> int:
    """Add a body; return its bytes, at least 2."""
    part = body.SerializeToString()
    if len(part) <= HARD_LIMIT - _FRAMES:
        pending.add(part)
        return len(part) + 2
    for line in body.lines:
        data = _cut(line)
        pending.add(head(_LINES, len(data)) + data)
    for text in body.results:
        pending.add(GetTaskLogsResponseBody(results=[_shortened(text)]).SerializeToString())
    return len(part)


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
