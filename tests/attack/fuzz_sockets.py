"""Bytes that are neither gRPC nor HTTP, on both ports of a service."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.serve_process import ServeProcess

    from .report import Tally

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
PATHS = ("/metrics", "/healthz", "/readyz", "/", "/../../etc/passwd", "/%2e%2e/", "//evil", "*", "")
HEADERS = ("Host: x", "Host: evil.example.invalid", "Content-Length: 5", "Content-Length: -1")
HEADERS += (
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "X: " + "y" * 70_000,
)
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE", "CONNECT", "get", "", "\0", "G" * 9000)
ANSWER_SECONDS = 0.5
AT_A_TIME = 20


def for_grpc(draw: random.Random) -> bytes:
    """Noise, or frames of HTTP/2 that make no sense."""
    frames = b"".join(_frame(draw) for _ in range(draw.randrange(6)))
    start = draw.choice((b"", PREFACE, PREFACE + SETTINGS, PREFACE[:10], b"\x16\x03\x01\x02\x00"))
    return start + draw.choice((frames, draw.randbytes(draw.randrange(300)), b"\0" * 5000))


def _frame(draw: random.Random) -> bytes:
    """RFC 9113, section 4.1: length, type, flags, stream and payload, of which some are wrong."""
    payload = draw.randbytes(draw.randrange(40))
    length = draw.choice((len(payload), len(payload), 0, 2**24 - 1)).to_bytes(3, "big")
    kind, flags = draw.randrange(12), draw.choice((0, 1, 4, 5, 255))
    stream = draw.choice((0, 1, 3, 2**31 - 1)).to_bytes(4, "big")
    return length + bytes([kind, flags]) + stream + payload


def for_http(draw: random.Random) -> bytes:
    """Requests that are odd, or nearly requests."""
    version = draw.choice(("HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""))
    lines = [f"{draw.choice(METHODS)} {draw.choice(PATHS)} {version}"]
    lines += draw.sample(HEADERS, draw.randrange(4))
    end = draw.choice(("\r\n\r\n", "\n\n", "\r\n", ""))
    return draw.choice((b"", draw.randbytes(20))) + ("\r\n".join(lines) + end).encode("latin-1")


async def knock(service: ServeProcess, tally: Tally, draw: random.Random, count: int) -> None:
    """Send such bytes on many connections; each answer, if any, blames their sender."""
    ports = {"gRPC port": (service.address, for_grpc), "HTTP port": (service.metrics, for_http)}
    slots = asyncio.Semaphore(AT_A_TIME)

    async def one(case: str) -> None:
        address, make = ports[case]
        data = make(draw)
        async with slots:
            tally.tried(case)
            answer = await said(address, data)
        if answer.startswith(b"HTTP/1") and answer.split(b" ", 2)[1:2] == [b"500"]:
            tally.fell(case, f"500 for {data[:80]!r}")

    await asyncio.gather(*(one(draw.choice(list(ports))) for _ in range(count)))


async def said(address: str, data: bytes) -> bytes:
    """What a port answers within a moment."""
    host, _, port = address.rpartition(":")
    answer = b""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(data)
            answer = await asyncio.wait_for(reader.read(65536), ANSWER_SECONDS)
        finally:
            writer.close()
    return answer
