"""The context of a call: what its handler asks of it, and how its answer is sent."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, NoReturn, TypeAlias
from urllib.parse import quote

import grpc

from flyte_connectors_asgi.messages import DisconnectedError, Event, framed, framed_together
from flyte_connectors_asgi.metadata import Metadata, headers_of, metadata_of, status_headers

Send: TypeAlias = "Callable[[Event], Awaitable[None]]"

_CONTENT_TYPE = (b"content-type", b"application/grpc")
START: Event = {
    "type": "http.response.start",
    "status": 200,
    "headers": [_CONTENT_TYPE],
    "trailers": True,
}
"""The event that begins an answer without metadata."""


class Verdict(NamedTuple):
    """Why a call was cancelled, and the status that it ends with; None if the client is gone."""

    code: grpc.StatusCode | None
    details: str = ""


class Phase(enum.Enum):
    """Where a call stands; each phase has its own time limit."""

    READING = enum.auto()
    RUNNING = enum.auto()
    ENDING = enum.auto()


class CallDetails:
    """What an interceptor or a generic handler knows of a call."""

    __slots__ = ("_headers", "method")

    def __init__(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.method = method
        self._headers = headers

    @property
    def invocation_metadata(self) -> Metadata:
        """What the client has sent; decoded when it is read."""
        return metadata_of(self._headers)


class CallContext:
    """A `grpc.aio.ServicerContext` in all but its base class.

    Args:
        scope: Of the request, as ASGI has it.
        send: Sends the events of the answer.

    Attributes:
        path: Service and method.
    """

    __slots__ = (
        *("_callbacks", "_code", "_deadline", "_details", "_initial", "_phase", "_scope", "_send"),
        *("_serialize", "_started", "_trailing", "_verdict", "path"),
    )

    def __init__(self, scope: Event, send: Send) -> None:
        self.path: str = scope["path"]
        self._scope = scope
        self._send = send
        self._phase = Phase.READING
        self._deadline: float | None = None
        self._verdict: Verdict | None = None
        self._started = False
        self._serialize: Callable[[Any], bytes] | None = None
        self._initial: Metadata = ()
        self._trailing: Metadata = ()
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._callbacks: list[Callable[[Any], Any]] | None = None

    def time_remaining(self) -> float | None:
        """Seconds until the call has to be answered."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def invocation_metadata(self) -> Metadata:
        """What the client has sent."""
        return metadata_of(self._scope["headers"])

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> NoReturn:
        """End the call with a status."""
        self._code = grpc.StatusCode.UNKNOWN if code is grpc.StatusCode.OK else code
        self._details = details
        self._trailing = (*self._trailing, *trailing_metadata)
        raise grpc.aio.AbortError(details)

    async def send_initial_metadata(self, initial_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Send headers before the first message."""
        self._initial = (*self._initial, *initial_metadata)
        await self._put(b"")

    async def write(self, message: Any) -> None:
        """Send a message of a stream; a list of messages goes out as one chunk."""
        serialize = self._serialize or _as_is
        if isinstance(message, list):
            await self._put(framed_together(map(serialize, message)))
        else:
            await self._put(framed(serialize(message)))

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """What is sent with the status."""
        self._trailing = tuple(trailing_metadata)

    def trailing_metadata(self) -> Metadata:
        """What is sent with the status."""
        return self._trailing

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status that the call ends with."""
        self._code = code

    def set_details(self, details: str) -> None:
        """The message of the status."""
        self._details = details

    def code(self) -> grpc.StatusCode | None:
        """The status that the call ends with."""
        return self._code

    def details(self) -> str:
        """The message of the status."""
        return self._details

    def peer(self) -> str:
        """The client's address, as gRPC writes it."""
        host, port = (self._scope.get("client") or ("unknown", 0))[:2]
        return f"ipv6:{quote(f'[{host}]', safe=':')}:{port}" if ":" in host else f"ipv4:{host}:{port}"

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Have `callback` called with this context when the call has ended."""
        self._callbacks = [*(self._callbacks or ()), callback]

    def cancelled(self) -> bool:
        """Whether the call was cancelled."""
        return self._verdict is not None

    def done(self) -> bool:
        """Whether the call has a status."""
        return self._phase is Phase.ENDING

    def peer_identities(self) -> None:
        """Not known here."""

    def peer_identity_key(self) -> None:
        """Not known here."""

    def auth_context(self) -> dict[str, Iterable[bytes]]:
        """Not known here."""
        return {}

    def set_compression(self, compression: grpc.Compression) -> None:
        """Answers are not compressed."""

    def disable_next_message_compression(self) -> None:
        """Answers are not compressed."""

    async def _put(self, chunk: bytes, *, more: bool = True) -> None:
        """Send a part of the answer; returns once the client takes it.

        Raises:
            DisconnectedError: it is gone.
        """
        try:
            if not self._started:
                self._started = True
                headers = [_CONTENT_TYPE, *headers_of(self._initial)]
                await self._send({**START, "headers": headers})
            if chunk or not more:
                event = {"type": "http.response.body", "body": chunk, "more_body": more}
                await self._send(event)
        except OSError as error:
            raise DisconnectedError from error

    async def _finish(self, code: grpc.StatusCode, details: str) -> None:
        """End the answer: headers and an empty body, if there is no other, then the status."""
        number: int = code.value[0]
        headers = [*status_headers(number, details), *headers_of(self._trailing)]
        await self._put(b"", more=False)
        with contextlib.suppress(OSError):
            await self._send({"type": "http.response.trailers", "headers": headers})


def _as_is(message: bytes) -> bytes:
    return message
