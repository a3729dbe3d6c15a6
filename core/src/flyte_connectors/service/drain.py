"""Graceful shutdown: finish the calls already received, and have clients send the others elsewhere.

`grpc.aio.Server.stop` cancels every call that arrives while it notifies the clients, and Flyte counts any
error of a create as a failed attempt. So the service first stops reading from its
connections, and stops once it has answered all that it has read. Its last GOAWAY (RFC 9113 section 6.8)
then names the last call that was read, and clients repeat later ones elsewhere by themselves.

The decision record "Stop reading before stopping" has the measurements.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

from flyte_connectors.service import grpc_threads
from flyte_connectors.service.connections import Connections, Peer, peer_of

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_TICK = 0.02  # seconds between two looks
_QUIET_TICKS = 4  # without a call: what has been read has reached the handlers
_SHORT = 0.5  # seconds that a call takes which clients wait for without noticing
_TO_LEAVE = 2.0  # seconds that a busy client may take to read that it is to leave


class Calls:
    """The calls of a server that are being answered.

    Attributes:
        arrived: How many there were so far.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self._working: set[Context] = set()
        self._sending: dict[Context, float] = {}  # and since when; only while draining
        self._draining = False

    def begin(self, context: Context) -> None:
        """A call has reached its handler."""
        self.arrived += 1
        self._working.add(context)

    def end(self, context: Context) -> None:
        """The handler has answered; what it has answered may still be on its way."""
        self._working.discard(context)
        if self._draining:
            self._follow(context, asyncio.get_running_loop().time())

    def stream(self, context: Context) -> None:
        """A call whose answer is sent piece by piece has reached its handler."""
        self.arrived += 1
        self._follow(context, float("-inf"))

    def drain(self) -> None:
        """Follow the calls until their answers are sent, from now on."""
        self._draining = True

    @property
    def peers(self) -> set[Peer]:
        """The clients that wait for an answer."""
        return {peer_of(context.peer()) for context in (*self._working, *self._sending)}

    @property
    def receiving(self) -> set[Peer]:
        """The clients to which a long answer is being sent: they say when they can take more of it."""
        latest = asyncio.get_running_loop().time() - _SHORT / 2
        return {peer_of(c.peer()) for c, since in self._sending.items() if since < latest}

    def _follow(self, context: Context, since: float) -> None:
        self._sending[context] = since
        context.add_done_callback(self._sent)  # type: ignore[arg-type]  # its type hides the context

    def _sent(self, context: Context) -> None:
        self._sending.pop(context, None)


async def stop_gracefully(
    server: grpc.aio.Server, calls: Calls, connections: Connections, grace: float
) -> None:
    """Stop a server without failing a call that it has received, or that was sent before the client could know.

    Args:
        server: The server.
        calls: Its calls.
        connections: Its connections.
        grace: Seconds after which calls that have not ended are cancelled. If this is cancelled, they are cancelled at once.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + grace
    try:
        calls.drain()
        await _settle(calls, connections, grace / 2)
        stopping = asyncio.ensure_future(server.stop(max(ends - loop.time(), 0)))
        await _clients_leave(connections, min(grace, _TO_LEAVE))
        while calls.peers and not stopping.done():
            connections.close(but=calls.peers)
            await asyncio.sleep(_TICK)
        await server.stop(None)  # names the last call that was read, then closes the connections
        await stopping
    except asyncio.CancelledError:
        await server.stop(None)
        raise


async def _settle(calls: Calls, connections: Connections, seconds: float) -> None:
    """Stop reading, and wait until all that was read has arrived and, if it is short, is answered."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    quiet = 0
    while loop.time() - started < seconds:
        arrived, looked_at = calls.arrived, loop.time()
        is_new = connections.pause_reading(but=calls.receiving) > 0
        may_wait = loop.time() - started < _SHORT
        if quiet >= _QUIET_TICKS and not is_new and not (may_wait and calls.peers):
            return
        await asyncio.sleep(_TICK)
        is_on_time = loop.time() - looked_at < 2 * _TICK and not grpc_threads.are_busy()
        quiet = 0 if is_new or calls.arrived != arrived else quiet + is_on_time


async def _clients_leave(connections: Connections, seconds: float) -> None:
    """Wait until clients send no more: a client that writes to a closed connection misses the GOAWAY."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    quiet = 0
    while quiet < _QUIET_TICKS and loop.time() < ends:
        unread = connections.unread
        await asyncio.sleep(_TICK)
        quiet = quiet + 1 if connections.unread == unread else 0
