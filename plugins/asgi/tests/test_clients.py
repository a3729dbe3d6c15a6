"""Clients that people have: grpcio, sync and async, and grpclib."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import grpclib.client
import grpclib.exceptions
import pytest
from probe_service import DETAILS, SERVICE, TRAILING, Server, serving, until


class _Bytes:
    """The codec of grpclib for bytes."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: Any) -> bytes:
        return message

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return data


def _method(channel: Any, name: str, kind: str = "unary_unary") -> Any:
    return getattr(channel, kind)(f"/{SERVICE}/{name}")


async def test_grpcio(server: Server) -> None:
    """Messages, errors with their metadata, and streams each way."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        assert await _method(channel, "Echo")(b"x" * 60_000) == b"x" * 60_000
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await _method(channel, "Abort")(b"")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert raised.value.details() == DETAILS
        assert set(TRAILING) <= set(raised.value.trailing_metadata())
        counted = [item async for item in _method(channel, "Count", "unary_stream")(b"1000")]
        assert counted == [b"%d" % number for number in range(1000)]
        joined = await _method(channel, "Join", "stream_unary")(iter([b"a", b"b"]))
        assert joined == b"a+b"
        both = _method(channel, "Both", "stream_stream")()
        for text in (b"one", b"two"):
            await both.write(text)
            assert await both.read() == text
        await both.done_writing()
        assert await both.read() is grpc.aio.EOF


async def test_a_stream_that_fails_has_its_messages_before_the_status(server: Server) -> None:
    """All ten."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stream = _method(channel, "Count", "unary_stream")(b"10!")
        got = [await stream.read() for _ in range(10)]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
    assert (len(got), raised.value.code()) == (10, grpc.StatusCode.NOT_FOUND)


async def test_metadata_go_both_ways(server: Server) -> None:
    """Text and bytes, in headers and trailers."""
    sent = (("x-text", "hello"), ("x-raw-bin", b"\x01\x00\xfe"))
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = _method(channel, "Metadata")(b"", metadata=sent)
        assert (await call).startswith(b"ipv4:127.0.0.1:")
        assert set(sent) <= set(await call.initial_metadata())
        assert set(sent) <= set(await call.trailing_metadata())


async def test_an_error_of_a_handler_keeps_its_text_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The client reads where to look."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        with (
            caplog.at_level(logging.ERROR),
            pytest.raises(grpc.aio.AioRpcError, match="see the service's log") as raised,
        ):
            await _method(channel, "Boom")(b"")
    assert raised.value.code() is grpc.StatusCode.UNKNOWN
    assert "secret" not in str(raised.value.details())
    assert "a secret of the handler" in caplog.text


async def test_handlers_know_the_time_that_is_left(server: Server) -> None:
    """A little less than the client gives."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        left = float(await _method(channel, "Remaining")(b"", timeout=7.0))
        assert await _method(channel, "Remaining")(b"") == b"None"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await _method(channel, "Sleep")(b"30", timeout=0.5)
    assert 6.0 < left <= 7.01 - 0.02  # grpcio rounds up to 10 ms
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: server.probe.seen["cancelled"] == 1)


async def test_readers_that_leave_are_no_faults(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """What is sent to them afterwards is dropped, without a line in the log."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        for _ in range(30):
            stream = _method(channel, "Forever", "unary_stream")(b"1000")
            assert await stream.read() == b"x" * 1000
            stream.cancel()
        await until(lambda: server.probe.seen["cancelled"] == 30)
    assert not caplog.records


def test_grpcio_without_asyncio() -> None:
    """From another thread."""

    def call(address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            assert _method(channel, "Echo")(b"hello", timeout=5) == b"hello"
            assert len(list(_method(channel, "Batches", "unary_stream")(b"500"))) == 500
            stream = _method(channel, "Forever", "unary_stream")(b"10")
            next(stream)
            stream.cancel()

    async def main() -> None:
        async with serving() as server:
            await asyncio.to_thread(call, server.address)
            await until(lambda: server.probe.seen["cancelled"] == 1)

    asyncio.run(main())


async def test_grpclib(server: Server) -> None:
    """A client in Python alone: messages, streams each way, errors, deadlines."""
    async with grpclib.client.Channel("127.0.0.1", server.port, codec=_Bytes()) as channel:
        echo = grpclib.client.UnaryUnaryMethod(channel, f"/{SERVICE}/Echo", bytes, bytes)
        assert await echo(b"hello", timeout=5) == b"hello"
        count = grpclib.client.UnaryStreamMethod(channel, f"/{SERVICE}/Count", bytes, bytes)
        assert len(await count(b"100")) == 100
        join = grpclib.client.StreamUnaryMethod(channel, f"/{SERVICE}/Join", bytes, bytes)
        assert await join([b"a", b"b"]) == b"a+b"
        both = grpclib.client.StreamStreamMethod(channel, f"/{SERVICE}/Both", bytes, bytes)
        assert await both([b"a", b"b"]) == [b"a", b"b"]
        for name, expected in (("Abort", (5, DETAILS)), ("Nope", (12, f"unknown method /{SERVICE}/Nope"))):
            failing = grpclib.client.UnaryUnaryMethod(channel, f"/{SERVICE}/{name}", bytes, bytes)
            with pytest.raises(grpclib.exceptions.GRPCError) as raised:
                await failing(b"")
            assert (raised.value.status.value, raised.value.message) == expected
        sleep = grpclib.client.UnaryUnaryMethod(channel, f"/{SERVICE}/Sleep", bytes, bytes)
        with pytest.raises((grpclib.exceptions.GRPCError, asyncio.TimeoutError)):
            await sleep(b"30", timeout=0.5)
    await until(lambda: server.probe.seen["cancelled"] == 1)


async def test_grpclib_connects_again_after_a_restart() -> None:
    """On the same port; it has no other replica to go to."""
    async with serving() as first:
        port = first.port
        channel = grpclib.client.Channel("127.0.0.1", port, codec=_Bytes())
        echo = grpclib.client.UnaryUnaryMethod(channel, f"/{SERVICE}/Echo", bytes, bytes)
        assert await echo(b"one", timeout=5) == b"one"
    async with serving(port=port):
        assert await echo(b"two", timeout=5) == b"two"
        channel.close()


async def test_a_handler_that_never_waits_costs_no_task(server: Server) -> None:
    """Neither for itself, nor for its deadline, nor to see whether the client is there."""
    loop = asyncio.get_running_loop()
    names: list[str] = []

    def factory(loop: Any, coroutine: Any, **keywords: Any) -> Any:
        names.append(getattr(coroutine, "__qualname__", str(coroutine)))
        return asyncio.Task(coroutine, loop=loop, **keywords)

    async with grpc.aio.insecure_channel(server.address) as channel:
        echo, sleep = _method(channel, "Echo"), _method(channel, "Sleep")
        await echo(b"warm", timeout=5)
        loop.set_task_factory(factory)
        try:
            await echo(b"now", timeout=5)
            assert not _of_the_application(names)
            await sleep(b"0.01", timeout=5)
            assert _of_the_application(names) == ["Call._watch"]
        finally:
            loop.set_task_factory(None)


def _of_the_application(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("Call.")]
