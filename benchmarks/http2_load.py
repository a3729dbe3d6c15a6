"""A load client for unary gRPC that costs less CPU than any of the servers it measures.

One connection, one method, pre-serialised requests with a fixed number of calls in flight. It speaks just enough HTTP/2 (RFC 9113) for that, compares every reply byte by byte
with the expected one, and leaves the headers of the replies unread: a call that fails carries no
message, so it cannot match.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4
FRAME_HEADER_BYTES = 9
MESSAGE_PREFIX_BYTES = 5
INITIAL_WINDOW_SIZE = 4
FIRST_WINDOW, LARGEST_WINDOW = 65_535, 2**31 - 1
TIMEOUT_SECONDS = 60.0

# The four literals of the first request enter the dynamic table (RFC 7541) as entries 65 to 62;
# later requests name them by index, as the back end's client does.
INDEXED_HEADERS = bytes([0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62])


class TransportError(Exception):
    """The server closed the connection or broke off a call."""


class WrongReplyError(Exception):
    """A call was answered with an error, or with another message than the expected one."""


class Connection:
    """An HTTP/2 connection for calls of one gRPC method."""

    def __init__(self, connected: socket.socket, path: str, authority: str) -> None:
        self._socket = connected
        self._headers = _first_headers(path, authority)
        self._next_stream = 1
        self._send_window = FIRST_WINDOW
        self._unread = b""
        self._messages: dict[int, bytes] = {}
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, LARGEST_WINDOW)
        window = struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW)
        self._socket.sendall(PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(WINDOW_UPDATE, 0, 0, window))

    def exchange(self, requests: Sequence[bytes], *, in_flight: int) -> list[bytes]:
        """Make a call for each request, `in_flight` of them at a time.

        Returns:
            The serialised replies in the order of the requests; empty where a call failed.

        Raises:
            TransportError: The server closed the connection or broke off a call.
        """
        first, replies = self._next_stream, [b""] * len(requests)
        sent, pending = 0, len(requests)
        while pending:
            answered = len(requests) - pending
            sent += self._send(requests[sent : answered + in_flight])
            received = self._receive()
            for stream, message in received:
                replies[(stream - first) // 2] = message[MESSAGE_PREFIX_BYTES:]
            pending -= len(received)
        return replies

    def load(self, requests: Sequence[bytes], expected: Sequence[bytes], *, in_flight: int) -> None:
        """Make a call for each request, `in_flight` of them at a time.

        Raises:
            WrongReplyError: A reply differs from the one expected.
            TransportError: The server closed the connection or broke off a call.
        """
        replies = self.exchange(requests, in_flight=in_flight)
        for reply, right in zip(replies, expected, strict=True):
            if reply != right:
                message = f"expected {right!r}, received {reply!r}"
                raise WrongReplyError(message)

    def _send(self, requests: Sequence[bytes]) -> int:
        """Send those that fit the server's flow-control window; returns how many."""
        frames = []
        for request in requests:
            message = _message(request)
            if len(message) > self._send_window:
                break
            self._send_window -= len(message)
            frames += [
                _frame(HEADERS, END_HEADERS, self._next_stream, self._headers),
                _frame(DATA, END_STREAM, self._next_stream, message),
            ]
            self._next_stream += 2
            self._headers = INDEXED_HEADERS
        if frames:
            self._socket.sendall(b"".join(frames))
        return len(frames) // 2

    def _receive(self) -> list[tuple[int, bytes]]:
        """Read what has arrived.

        Returns:
            Streams and messages, with their gRPC prefixes, of the calls that are now complete.
        """
        finished = []
        for kind, flags, stream, payload in self._frames():
            if kind == DATA:
                self._messages[stream] = self._messages.get(stream, b"") + payload
            if kind in (DATA, HEADERS):
                if flags & END_STREAM:
                    finished.append((stream, self._messages.pop(stream, b"")))
            else:
                self._obey(kind, flags, stream, payload)
        return finished

    def _obey(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in (SETTINGS, PING) and not flags & ACK:
            self._socket.sendall(_frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._send_window += int.from_bytes(payload, "big")
        elif kind in (RST_STREAM, GOAWAY):
            message = f"the server broke off: frame type {kind}, {payload!r}"
            raise TransportError(message)

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Type, flags, stream and payload of the frames that have arrived completely."""
        chunk = self._socket.recv(262_144)
        if not chunk:
            message = "the server closed the connection"
            raise TransportError(message)
        buffer, at = self._unread + chunk, 0
        while (body := at + FRAME_HEADER_BYTES) <= len(buffer):
            end = body + int.from_bytes(buffer[at : at + 3], "big")
            if end > len(buffer):
                break
            stream = int.from_bytes(buffer[at + 5 : body], "big")
            yield buffer[at + 3], buffer[at + 4], stream, buffer[body:end]
            at = end
        self._unread = buffer[at:]


@contextlib.contextmanager
def connect(address: tuple[str, int], path: str) -> Iterator[Connection]:
    """Open a connection for calls of the gRPC method `path`.

    Raises:
        OSError: Nothing listens at `address`.
    """
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(connected, path, "{}:{}".format(*address))


def _message(serialised: bytes) -> bytes:
    """A message with its gRPC prefix: not compressed, four bytes of length."""
    return struct.pack(">BI", 0, len(serialised)) + serialised


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">BBI", kind, flags, stream)
    return len(payload).to_bytes(3, "big") + head + payload


def _first_headers(path: str, authority: str) -> bytes:
    """POST and http by their static index; the rest as literals that enter the dynamic table."""
    return b"".join(
        [
            bytes([0x83, 0x86]),
            b"\x44" + _string(path),
            b"\x41" + _string(authority),
            b"\x5f" + _string("application/grpc"),
            b"\x40" + _string("te") + _string("trailers"),
        ]
    )


def _string(text: str) -> bytes:
    """An HPACK string that is shorter than 127 bytes, without Huffman coding."""
    return bytes([len(text)]) + text.encode("ascii")
