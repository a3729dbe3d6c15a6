"""The messages in a request's body, however they are cut into chunks: each has a flag and its length before it."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

import grpc

Event: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[Event]]"

PREFIX_BYTES = 5
ENCODINGS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""The compressions that are understood, as zlib calls them."""

_SECONDS_TO_DROP = 5.0
_MOST_TO_DROP = 64 * 1024 * 1024  # bytes

_pack_prefix = struct.Struct(">BI").pack


class StatusError(Exception):
    """Ends a call with a status.

    Args:
        code: The status.
        details: Its message.
    """

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class DisconnectedError(Exception):
    """The client is gone."""


class Budget:
    """The bytes of unfinished requests that the process may hold.

    Args:
        limit: So many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Hold `size` bytes more.

        Raises:
            StatusError: there are too many already.
        """
        if self._held + size > self._limit:
            text = "the service holds too many unfinished requests: try again"
            raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self._held += size

    def give_back(self, size: int) -> None:
        """Hold `size` bytes less."""
        self._held -= size


class Messages:
    """The messages of one request, read one by one.

    Args:
        receive: Gives the events of the request.
        largest: Bytes that a message may have.
        budget: For bytes that wait for the rest of their message.
        encoding: The request's `grpc-encoding`.

    Attributes:
        is_over: Whether the client has sent all.
    """

    def __init__(self, receive: Receive, largest: int, budget: Budget, encoding: bytes) -> None:
        self.is_over = False
        self._receive = receive
        self._largest = largest
        self._budget = budget
        self._encoding = encoding
        self._buffer = bytearray()
        self._charged = 0

    def add(self, event: Event) -> None:
        """Take in an event of the request.

        Raises:
            DisconnectedError: it says that the client is gone.
            StatusError: the process holds too many bytes.
        """
        if event["type"] != "http.request":
            raise DisconnectedError
        self._buffer += event.get("body", b"")
        self.is_over = not event.get("more_body", False)

    async def next(self) -> bytes | None:
        """The next message; None after the last.

        Raises:
            DisconnectedError: the client is gone.
            StatusError: a message is too large, incomplete, or can't be decompressed.
        """
        while True:
            message = self._complete()
            if message is not None:
                self._charge(len(self._buffer))
                return message
            if self.is_over:
                if self._buffer:
                    raise StatusError(grpc.StatusCode.INTERNAL, "the request ends within a message")
                return None
            self._charge(len(self._buffer))
            self.add(await self._receive())

    async def drop(self, most: int) -> None:
        """Read what the client still sends and forget it, but at most so many bytes.

        Raises:
            DisconnectedError: the client is gone.
        """
        self._buffer.clear()
        dropped = 0
        while not self.is_over and dropped < most:
            self.add(await self._receive())
            dropped += len(self._buffer)
            self._buffer.clear()

    def close(self) -> None:
        """Forget what has been read."""
        self._charge(0)

    def _charge(self, size: int) -> None:
        if size > self._charged:
            self._budget.take(size - self._charged)
        else:
            self._budget.give_back(self._charged - size)
        self._charged = size

    def _complete(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < PREFIX_BYTES:
            return None
        length = int.from_bytes(buffer[1:PREFIX_BYTES], "big")
        if length > self._largest:
            raise too_large(length, self._largest)
        if len(buffer) < PREFIX_BYTES + length:
            return None
        message = bytes(buffer[PREFIX_BYTES : PREFIX_BYTES + length])
        is_compressed = buffer[0]
        del buffer[: PREFIX_BYTES + length]
        return decompressed(message, self._encoding, self._largest) if is_compressed else message


async def drop_rest(messages: Messages) -> None:
    """Read the rest of a request that is refused, within limits of size and time.

    Clients then read the status at once, and servers free the stream.

    Raises:
        DisconnectedError: the client is gone.
    """
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(messages.drop(_MOST_TO_DROP), _SECONDS_TO_DROP)


def too_large(size: int, largest: int) -> StatusError:
    """The error for a message of more bytes than are allowed."""
    text = f"message of {size} bytes exceeds the limit of {largest} bytes (--max-message-bytes)"
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


def decompressed(message: bytes, encoding: bytes, largest: int) -> bytes:
    """The message, which may not grow beyond `largest` bytes.

    Raises:
        StatusError: it does, or is not what its encoding says.
    """
    if encoding not in ENCODINGS:
        text = "a compressed message needs the header grpc-encoding"
        raise StatusError(grpc.StatusCode.INTERNAL, text)
    reader = zlib.decompressobj(ENCODINGS[encoding])
    try:
        whole = reader.decompress(message, largest + 1)
    except zlib.error as error:
        text = f"a message can't be decompressed: {error}"
        raise StatusError(grpc.StatusCode.INTERNAL, text) from error
    if len(whole) > largest:
        raise too_large(len(whole), largest)
    if not reader.eof:
        text = "a message can't be decompressed: it is cut off"
        raise StatusError(grpc.StatusCode.INTERNAL, text)
    return whole


def framed(message: bytes) -> bytes:
    """A message as it is sent: not compressed."""
    return _pack_prefix(0, len(message)) + message


def framed_together(messages: Iterable[bytes]) -> bytes:
    """Several messages as one chunk."""
    return b"".join([part for one in messages for part in (_pack_prefix(0, len(one)), one)])
