"""Graceful shutdown: finish the calls already received, and have clients send the others elsewhere.

`grpc.aio.Server.stop` cancels every call that arrives while it notifies the clients, and Flyte counts any
error of a create as a failed attempt. So the service first stops reading from its
connections, and stops once it has answered all that it has read. Its last GOAWAY (RFC 9113 section 6.8)
then names the last call that was read, and clients repeat later ones elsewhere by themselves.

The decision record "Stop reading before stopping" has the measurements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc

from flyte_connectors.service import grpc_threads
from flyte_connectors.service.calls import Calls, Context
from flyte_connectors.service.connections import Connections, Peer, peer_of

_TICK = 0.02  # seconds between two looks
_QUIET_TICKS = 4  # without a call: what has been read has reached the handlers
_SHORT = 0.5  # seconds that a call takes which clients wait for without noticing
_TO_LEAVE = 2.0  # seconds that a busy client may take to read that it is to leave


async def stop_gracefully(server: grpc.aio.Server, calls: Calls, connections: Connections, grace: float) -> None:
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
        while calls.open and not stopping.done():
            connections.close(but=_peers(calls.open))
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
        is_new = connections.pause_reading(but=_peers(calls.sending)) > 0
        may_wait = loop.time() - started < _SHORT
        if quiet >= _QUIET_TICKS and not is_new and not (may_wait and calls.open):
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


def _peers(contexts: Iterable[Context]) -> set[Peer]:
    return {peer_of(context.peer()) for context in contexts}
