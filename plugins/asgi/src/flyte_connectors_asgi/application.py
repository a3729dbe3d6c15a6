"""The ASGI application: which requests are gRPC calls, and which handler answers each."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import grpc

from flyte_connectors_asgi.call import SHUTTING_DOWN, Call, Handler
from flyte_connectors_asgi.context import CallDetails, Send
from flyte_connectors_asgi.messages import (
    Budget,
    DisconnectedError,
    Event,
    Messages,
    Receive,
    drop_rest,
)
from flyte_connectors_asgi.stepping import Suspended

LARGEST_MESSAGE = 10 * 1024 * 1024
TO_BE_NOTIFIED = 0.1
"""Seconds of a shutdown for clients that watch the health, before they are sent elsewhere."""

_UNFINISHED_REQUESTS = 8  # of the largest that the process holds at most

_GRPC = b"application/grpc"
_STANDARD_SERVICES = "/grpc."  # health and reflection, whose streams end only when they are cancelled
_TRAILERS = "http.response.trailers"


class GrpcApplication:
    """An ASGI application that answers gRPC calls; it needs a server with HTTP/2 and trailers.

    Args:
        handlers: What `grpc.aio.Server.add_generic_rpc_handlers` takes; the first that knows a method answers. Their
            methods are async functions.
        largest: Bytes that a message may have.
        interceptors: See each call before its request is read, and may refuse it.
        budget: For the unfinished requests of a process; of another application in it, or its own by default.

    Attributes:
        waiting: The calls that wait for something.
    """

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler],
        *,
        largest: int = LARGEST_MESSAGE,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        budget: Budget | None = None,
    ) -> None:
        self.largest = largest
        self.interceptors = tuple(interceptors)
        self.budget = budget or Budget(_UNFINISHED_REQUESTS * largest)
        self.waiting: set[Call] = set()
        self._handlers = tuple(handlers)
        self._owners: dict[str, grpc.GenericRpcHandler] = {}

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        if scope["type"] != "http":
            raise NotImplementedError(f"not HTTP: {scope['type']}")
        headers = dict(scope["headers"])
        if (
            headers.get(b"content-type") != _GRPC
            or scope["http_version"] != "2"
            or scope["method"] != "POST"
            or _TRAILERS not in scope.get("extensions", ())
        ):
            refusal = _refusal(scope, headers)
            if refusal is not None:
                await _refuse(receive, send, *refusal)
                return
        call = Call(self, scope, headers, receive, send)
        running = call.run()
        try:
            pending = running.send(None)
        except StopIteration:
            return
        await Suspended(running, pending, call)

    def find(self, details: CallDetails) -> Handler | None:
        """The handler of a call; None if the method is unknown."""
        given: Any = details
        owner = self._owners.get(details.method)
        if owner is not None:
            return owner.service(given)
        for one in self._handlers:
            handler = one.service(given)
            if handler is not None:
                self._owners[details.method] = one
                return handler
        return None

    def end_watches(self) -> None:
        """End the streams of health and reflection, which would last as long as their clients."""
        for call in list(self.waiting):
            if call.path.startswith(_STANDARD_SERVICES):
                call.end(SHUTTING_DOWN)

    def end_calls(self) -> None:
        """End all calls that wait, each with a status."""
        for call in list(self.waiting):
            call.end(SHUTTING_DOWN)


def _refusal(scope: Event, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
    """HTTP status and text for a request that is not a gRPC call; None for one that is."""
    if scope["http_version"] != "2":
        return 505, "gRPC needs HTTP/2"
    if scope["method"] != "POST":
        return 405, "gRPC calls are sent by POST"
    content = headers.get(b"content-type", b"").lower()
    kind, subtype = content[: len(_GRPC)], content[len(_GRPC) :].partition(b";")[0].strip()
    if kind != _GRPC or subtype not in (b"", b"+proto"):
        return 415, "only gRPC calls are answered here: content-type application/grpc"
    if _TRAILERS not in scope.get("extensions", ()):
        return 501, "gRPC needs a server that can send trailers, such as h2corn"
    return None


async def _refuse(receive: Receive, send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    with contextlib.suppress(OSError, DisconnectedError):  # the client is gone
        await drop_rest(Messages(receive, 0, Budget(0), b""))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
