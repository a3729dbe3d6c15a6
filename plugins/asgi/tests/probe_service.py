"""A gRPC service that does what tests ask for, on h2corn."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
from flyte_connectors.service.adapter import ASYNC_SERVICE
from flyte_connectors.service.calls import Calls
from flyte_connectors.service.settings import ServiceSettings

from flyte_connectors_asgi.transport import H2cornTransport

SERVICE = "probe.Probe"
LARGEST = 64 * 1024
TRAILING = (("x-why", "because"), ("x-raw-bin", b"\x00\xff\x01"))
DETAILS = "no such job: ünïcode 100%\nline two"


class Probe:
    """The methods; a request says what a method is to do.

    Attributes:
        seen: How often calls began and were cancelled, and how many messages a stream has sent.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def echo(self, request: bytes, context: Any) -> bytes:
        """The request."""
        return request

    async def sleep(self, request: bytes, context: Any) -> bytes:
        """Takes so many seconds."""
        self.seen["begun"] += 1
        try:
            await asyncio.sleep(float(request))
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise
        return b"slept"

    async def abort(self, request: bytes, context: Any) -> bytes:
        """Ends with a status, metadata included."""
        await context.abort(grpc.StatusCode.NOT_FOUND, DETAILS, TRAILING)
        return b""

    async def boom(self, request: bytes, context: Any) -> bytes:
        """Fails."""
        raise ValueError("a secret of the handler")

    async def remaining(self, request: bytes, context: Any) -> bytes:
        """The seconds that are left."""
        return str(context.time_remaining()).encode()

    async def metadata(self, request: bytes, context: Any) -> bytes:
        """Sends back what came, in headers and trailers."""
        sent = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-")]
        await context.send_initial_metadata(sent)
        context.set_trailing_metadata(sent)
        return context.peer().encode()

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """So many messages, then NOT_FOUND if there is an `!`."""
        for number in range(int(request.strip(b"!"))):
            yield b"%d" % number
        if b"!" in request:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no more")

    async def batches(self, request: bytes, context: Any) -> AsyncIterator[Any]:
        """So many messages in lists of 100."""
        for start in range(0, int(request), 100):
            yield [b"%d" % number for number in range(start, start + 100)]

    async def forever(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Messages of so many bytes, until it is cancelled."""
        self.seen["begun"] += 1
        try:
            while True:
                yield b"x" * int(request)
                self.seen["sent"] += 1
                await asyncio.sleep(0)
        finally:
            self.seen["cancelled"] += 1

    async def join(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """All requests as one."""
        return b"+".join([request async for request in requests])

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Each request again."""
        self.seen["begun"] += 1
        try:
            async for request in requests:
                yield request
        except asyncio.CancelledError:
            self.seen["cancelled"] += 1
            raise

    def handlers(self) -> grpc.GenericRpcHandler:
        """The methods, as grpcio takes them."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods = {
            "Echo": unary(self.echo),
            "Sleep": unary(self.sleep),
            "Abort": unary(self.abort),
            "Boom": unary(self.boom),
            "Remaining": unary(self.remaining),
            "Metadata": unary(self.metadata),
            "Count": stream(self.count),
            "Batches": stream(self.batches),
            "Forever": stream(self.forever),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def logs(self) -> grpc.GenericRpcHandler:
        """A log that never ends, by the name that the transport knows."""
        logs = {"GetTaskLogs": grpc.unary_stream_rpc_method_handler(self.forever)}
        return grpc.method_handlers_generic_handler(ASYNC_SERVICE, logs)


@dataclasses.dataclass
class Server:
    """A running server."""

    port: int
    probe: Probe
    transport: H2cornTransport

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(grace: float = 5.0, **settings: Any) -> AsyncIterator[Server]:
    """The service for this block; a test may stop it itself."""
    usual = {"port": 0, "max_message_bytes": LARGEST, "grace": grace}
    chosen = ServiceSettings(**{**usual, **settings})
    transport = H2cornTransport(chosen, Calls(), shared_port=False)
    probe = Probe()
    port = await transport.start([probe.handlers(), probe.logs()])
    try:
        yield Server(port, probe, transport)
    finally:
        await transport.stop(grace)


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for it."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not condition():
        assert loop.time() < ends, "waited in vain"
        await asyncio.sleep(0.01)
