"""Graceful shutdown: what was received is answered, and clients go elsewhere."""

from __future__ import annotations

import asyncio
import socket

import grpc
from probe_service import SERVICE, serving, until
from raw import connected, framed


async def test_running_calls_are_answered_and_new_connections_refused() -> None:
    """And open connections get GOAWAY at once."""
    async with serving() as server, connected(server.port) as raw:
        stream = raw.open("Sleep")
        await raw.send(stream, framed(b"0.6"), end=True)
        await until(lambda: server.probe.seen["begun"] == 1)
        stopping = asyncio.ensure_future(server.transport.stop(5.0))
        await asyncio.wait_for(raw.goaway.wait(), 5)
        await until(lambda: not _listens(server.port))
        assert not stopping.done()
        answer = await raw.answer(stream)
        assert (answer.body, answer.status) == (framed(b"slept"), "0")
        await asyncio.wait_for(stopping, 3)


async def test_calls_that_take_longer_get_a_status_before_the_grace_period_ends() -> None:
    """UNAVAILABLE, and streams keep what they have sent."""
    async with serving() as server, connected(server.port) as raw:
        sleeping, streaming = raw.open("Sleep"), raw.open("Both")
        await raw.send(sleeping, framed(b"30"), end=True)
        await raw.send(streaming, framed(b"one"))
        await until(lambda: raw.streams[streaming].body == framed(b"one"))
        await until(lambda: server.probe.seen["begun"] == 2)
        await asyncio.wait_for(server.transport.stop(1.0), 3)
        for stream in (sleeping, streaming):
            answer = await raw.answer(stream)
            assert answer.status == "14"
            assert answer.reset in (None, 0)  # NO_ERROR, where the client has not ended its request
            assert answer.trailers["grpc-message"] == "the service is shutting down"
    assert server.probe.seen["cancelled"] == 2


async def test_a_shutdown_that_is_cancelled_ends_its_calls_at_once() -> None:
    """As a second signal does."""
    async with serving() as server, connected(server.port) as raw:
        stream = raw.open("Sleep")
        await raw.send(stream, framed(b"30"), end=True)
        await until(lambda: server.probe.seen["begun"] == 1)
        stopping = asyncio.ensure_future(server.transport.stop(30.0))
        await asyncio.wait_for(raw.goaway.wait(), 5)
        stopping.cancel()
        assert (await raw.answer(stream)).status == "14"


async def test_callers_lose_no_call_while_replicas_restart() -> None:
    """Clients try again by themselves what arrives after GOAWAY."""
    async with serving() as first, serving() as second:
        addresses = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        options = [
            ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}'),
            ("grpc.default_authority", "localhost"),
        ]
        async with grpc.aio.insecure_channel(addresses, options=options) as channel:
            sleep = channel.unary_unary(f"/{SERVICE}/Sleep")
            ends = asyncio.get_running_loop().time() + 1.5
            done = 0

            async def caller() -> None:
                nonlocal done
                while asyncio.get_running_loop().time() < ends:
                    assert await sleep(b"0.003") == b"slept"
                    done += 1

            callers = [asyncio.ensure_future(caller()) for _ in range(20)]
            await asyncio.sleep(0.5)
            await first.transport.stop(5.0)
            await asyncio.gather(*callers)
            assert first.probe.seen["begun"] > 20
            assert done == first.probe.seen["begun"] + second.probe.seen["begun"]


async def test_who_says_nothing_hardly_delays_a_shutdown() -> None:
    """A connection without a preface is closed after 2.5 s, whatever the grace period."""
    loop = asyncio.get_running_loop()
    async with serving(grace=20.0) as server:
        with socket.create_connection(("127.0.0.1", server.port)):
            await asyncio.sleep(0.1)
            began = loop.time()
            await server.transport.stop(20.0)
            assert loop.time() - began < 4.0


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionError:
        return False
    return True
