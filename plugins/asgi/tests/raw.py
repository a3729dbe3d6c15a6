"""An HTTP/2 connection that sends what a test likes, and remembers what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import defaultdict
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import GoAwayFrame

CALL = (
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)


def framed(message: bytes, flag: int = 0) -> bytes:
    """A message with its gRPC prefix."""
    return struct.pack(">BI", flag, len(message)) + message


class Stream:
    """What has come back on one stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self.body = b""
        self.reset: int | None = None
        self.ended = asyncio.Event()

    @property
    def status(self) -> str:
        """The gRPC status."""
        return self.trailers["grpc-status"]


class RawConnection:
    """See the module."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(header_encoding="utf-8")
        self.protocol = h2.connection.H2Connection(config)
        self.streams: dict[int, Stream] = defaultdict(Stream)
        self.goaway = asyncio.Event()
        self.acknowledges = True
        self._reader = reader
        self._writer = writer
        # h2 would take no frame after a GOAWAY, not even of calls that the server still answers.
        table = self.protocol._frame_dispatch_table
        table[GoAwayFrame] = lambda _: ([], [h2.events.ConnectionTerminated()])
        self.protocol.initiate_connection()
        self._writer.write(self.protocol.data_to_send())
        self._reading = asyncio.ensure_future(self._read())

    def open(self, rpc: str, *headers: tuple[str, str], **changed: str) -> int:
        """Send the headers of a call; returns the stream."""
        number = self.protocol.get_next_available_stream_id()
        usual = [(k, changed.get(k.strip(":").replace("-", "_"), v)) for k, v in CALL]
        path = rpc if rpc.startswith("/") else f"/probe.Probe/{rpc}"
        self.protocol.send_headers(number, [*usual[:1], (":path", path), *usual[1:], *headers])
        self._writer.write(self.protocol.data_to_send())
        return number

    async def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send a DATA frame, or several where one would be too large."""
        while True:
            room = self.protocol.local_flow_control_window(stream)
            size = min(room, self.protocol.max_outbound_frame_size, len(data))
            if size or not data:
                piece, data = data[:size], data[size:]
                self.protocol.send_data(stream, piece, end_stream=end and not data)
                self._writer.write(self.protocol.data_to_send())
                await self._writer.drain()
            if not data:
                return
            await asyncio.sleep(0 if size else 0.01)

    async def answer(self, stream: int) -> Stream:
        """What came back, once the server has ended the stream."""
        found = self.streams[stream]
        await asyncio.wait_for(found.ended.wait(), 10)
        return found

    async def call(self, method: str, request: bytes, *headers: tuple[str, str]) -> Stream:
        """One whole call."""
        stream = self.open(method, *headers)
        await self.send(stream, framed(request), end=True)
        return await self.answer(stream)

    async def flush(self) -> None:
        """Send what the protocol has to say."""
        self._writer.write(self.protocol.data_to_send())
        await self._writer.drain()

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self.protocol.reset_stream(stream, 8)
        self._writer.write(self.protocol.data_to_send())

    async def close(self) -> None:
        """Close the connection without GOAWAY."""
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        while data := await self._reader.read(65536):
            for event in self.protocol.receive_data(data):
                self._take(event)
            self._writer.write(self.protocol.data_to_send())
        self.goaway.set()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway.set()
            return
        stream = self.streams[getattr(event, "stream_id", None) or 0]
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            if self.acknowledges and event.flow_controlled_length:
                size = event.flow_controlled_length
                self.protocol.acknowledge_received_data(size, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)
            stream.ended.set()
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended.set()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[RawConnection]:
    """A connection for this block."""
    connection = RawConnection(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield connection
    finally:
        await connection.close()
