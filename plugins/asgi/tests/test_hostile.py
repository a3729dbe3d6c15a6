"""Clients that mean harm: whatever they send, others are answered, and memory stays bounded.

To be run for each new version of h2corn, whose limits most of these are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import hpack
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, RstStreamFrame, SettingsFrame
from probe_service import Server, until
from raw import CALL, connected, framed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST_MEMORY = 100 * 1024 * 1024  # bytes that a test may add to the process, its own client included
HEADERS = [*CALL[:1], (":path", "/probe.Probe/Echo"), *CALL[1:]]
SLEEP = [*CALL[:1], (":path", "/probe.Probe/Sleep"), *CALL[1:]]


def _memory() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


@pytest.fixture(autouse=True)
async def _others_are_answered(server: Server) -> AsyncIterator[None]:
    """After each attack, and little memory is held."""
    before = _memory()
    yield
    assert _memory() - before < MOST_MEMORY
    async with connected(server.port) as other:
        assert (await asyncio.wait_for(other.call("Echo", b"hello"), 5)).body == framed(b"hello")


class _Attacker:
    """Writes frames that no library would, and reads until it is cut off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.encoder = hpack.Encoder()
        self.is_cut = asyncio.Event()
        self.received = 0
        self._reading = asyncio.ensure_future(self._read())
        writer.write(PREFACE + SettingsFrame(0).serialize())

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(65_536):
                self.received += len(data)
        self.is_cut.set()

    async def send(self, *frames: Frame) -> None:
        """Send frames; nothing if the server has closed the connection."""
        with contextlib.suppress(OSError):
            self._writer.write(b"".join(frame.serialize() for frame in frames))
            await self._writer.drain()

    def head(self, stream: int, headers: list[tuple[str, str]], *flags: str) -> HeadersFrame:
        """A HEADERS frame."""
        return HeadersFrame(stream, self.encoder.encode(headers), flags=flags)

    async def close(self) -> None:
        """Close the connection."""
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@pytest.fixture
async def attacker(server: Server) -> AsyncIterator[_Attacker]:
    attacker = _Attacker(*await asyncio.open_connection("127.0.0.1", server.port))
    yield attacker
    await attacker.close()


async def test_streams_that_are_opened_and_reset(server: Server, attacker: _Attacker) -> None:
    """20,000 of them: the connection is closed long before, and no handler stays behind."""
    sent = 0
    for stream in range(1, 40_001, 2):
        reset = RstStreamFrame(stream, error_code=ErrorCodes.CANCEL)
        await attacker.send(attacker.head(stream, SLEEP, "END_HEADERS"), DataFrame(stream, framed(b"30")), reset)
        await asyncio.sleep(0)
        sent += 1
        if attacker.is_cut.is_set():
            break
    await asyncio.wait_for(attacker.is_cut.wait(), 10)
    assert sent < 20_000
    await until(lambda: server.probe.seen["cancelled"] == server.probe.seen["begun"])


async def test_ten_thousand_streams_at_once(server: Server, attacker: _Attacker) -> None:
    """At most 256 are running at any time."""
    for stream in range(1, 20_001, 2):
        request = DataFrame(stream, framed(b"30"), flags=("END_STREAM",))
        await attacker.send(attacker.head(stream, SLEEP, "END_HEADERS"), request)
    await asyncio.sleep(0.2)
    seen = server.probe.seen
    assert 0 < seen["begun"] - seen["cancelled"] <= 256 or attacker.is_cut.is_set()
    await attacker.close()
    await until(lambda: seen["cancelled"] == seen["begun"])


async def test_a_header_that_never_ends(attacker: _Attacker) -> None:
    """CONTINUATION after CONTINUATION, each small; the connection is closed long before 16 MB."""
    await attacker.send(attacker.head(1, HEADERS))
    sent = 0
    while not attacker.is_cut.is_set() and sent < 1000:
        await attacker.send(ContinuationFrame(1, b"\0\x01a\x7f\xff\x7e" + b"v" * 16_000))
        await asyncio.sleep(0)
        sent += 1
    await asyncio.wait_for(attacker.is_cut.wait(), 10)
    assert sent < 1000


async def test_empty_continuations(server: Server, attacker: _Attacker) -> None:
    """They carry nothing, so no limit of bytes stops them; the time limit for headers does."""
    await attacker.send(attacker.head(1, HEADERS))
    flood = asyncio.ensure_future(_flood(attacker))
    await asyncio.sleep(0.5)
    async with connected(server.port) as other:
        assert (await asyncio.wait_for(other.call("Echo", b"meanwhile"), 5)).status == "0"
    flood.cancel()


async def _flood(attacker: _Attacker) -> None:
    while True:
        await attacker.send(*[ContinuationFrame(1, b"")] * 50)
        await asyncio.sleep(0)


async def test_headers_of_two_megabytes(server: Server) -> None:
    """Refused; each call may bring 64 KB."""
    async with connected(server.port) as raw:
        raw.protocol.max_outbound_frame_size = 16_384
        stream = raw.open("Echo", *((f"x-{number}", "v" * 1000) for number in range(2000)))
        with contextlib.suppress(OSError):
            await raw.send(stream, framed(b"x"), end=True)
        await until(lambda: raw.goaway.is_set() or raw.streams[stream].ended.is_set())
        assert raw.streams[stream].trailers.get("grpc-status") != "0"


async def test_headers_that_grow_when_they_are_unpacked(attacker: _Attacker, server: Server) -> None:
    """4 KB in the table of the connection, named 16,000 times in one block: 64 MB of headers."""
    head = attacker.encoder.encode(HEADERS)
    first = attacker.encoder.encode([("x-bomb", "v" * 3900)])
    reference = attacker.encoder.encode([("x-bomb", "v" * 3900)])
    assert len(reference) == 1
    frame = HeadersFrame(1, head + first + reference * 16_000, flags=("END_HEADERS",))
    await attacker.send(frame, DataFrame(1, framed(b"x"), flags=("END_STREAM",)))
    await asyncio.sleep(0.3)
    assert server.probe.seen["echoed"] == 0


async def test_readers_that_take_nothing(server: Server) -> None:
    """Windows of zero, and connections that are not read at all: their handlers wait."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            raw = await stack.enter_async_context(connected(server.port))
            raw.acknowledges = False
            await raw.send(raw.open("Forever"), framed(b"60000"), end=True)
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            stack.callback(writer.close)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            settings = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1})
            head = HeadersFrame(
                1,
                hpack.Encoder().encode([*CALL[:1], (":path", "/probe.Probe/Forever"), *CALL[1:]]),
                flags=("END_HEADERS",),
            )
            data = DataFrame(1, framed(b"60000"), flags=("END_STREAM",))
            writer.write(PREFACE + b"".join(frame.serialize() for frame in (settings, head, data)))
        await until(lambda: server.probe.seen["begun"] == 40)
        await asyncio.sleep(0.5)
        sent = server.probe.seen["sent"]
        await asyncio.sleep(0.3)
        assert server.probe.seen["sent"] == sent
    await until(lambda: server.probe.seen["cancelled"] == 40)


async def test_garbage(server: Server) -> None:
    """Before the preface, instead of frames, and in frames."""
    draw = random.Random(0)
    for number in range(200):
        start = (b"", PREFACE, PREFACE + SettingsFrame(0).serialize(), b"GET / HTTP/1.1\r\n\r\n")[number % 4]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(start + draw.randbytes(draw.randrange(1, 5000)))
    await asyncio.sleep(0.1)


async def test_three_hundred_idle_connections(server: Server) -> None:
    """Cost memory only, and little."""
    clients = []
    try:
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            client.sendall(PREFACE + SettingsFrame(0).serialize())
            clients.append(client)
            await asyncio.sleep(0)
        async with connected(server.port) as other:
            assert (await other.call("Echo", b"hello")).status == "0"
    finally:
        for client in clients:
            client.close()


async def test_a_client_that_has_closed_its_half(server: Server) -> None:
    """Has left: its calls are cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    frames = (
        SettingsFrame(0),
        HeadersFrame(1, hpack.Encoder().encode(SLEEP), flags=("END_HEADERS",)),
        DataFrame(1, framed(b"30"), flags=("END_STREAM",)),
    )
    writer.write(PREFACE + b"".join(frame.serialize() for frame in frames))
    await until(lambda: server.probe.seen["begun"] == 1)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await until(lambda: server.probe.seen["cancelled"] == 1)


async def test_http_1_is_not_spoken(server: Server) -> None:
    """The port is for gRPC alone; pages are on the port of the metrics."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b"HTTP/1.1 200" not in answer


@pytest.mark.slow
async def test_clients_that_take_their_time(server: Server) -> None:
    """A connection that sends no preface is closed after 2.5 s, one that does not complete its headers after 10 s."""

    async def closed_after(first: bytes) -> float:
        began = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(first)
        while await reader.read(1024):
            pass
        writer.close()
        return asyncio.get_running_loop().time() - began

    head = SettingsFrame(0).serialize() + HeadersFrame(1, hpack.Encoder().encode(HEADERS)).serialize()
    times = await asyncio.gather(*map(closed_after, (b"", PREFACE[:10], PREFACE + head)))
    assert all(2 < seconds < 15 for seconds in times), times
