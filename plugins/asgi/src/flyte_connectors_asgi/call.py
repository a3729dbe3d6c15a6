"""How a call is run, from the request to the trailers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc

from flyte_connectors_asgi.context import START, CallContext, CallDetails, Phase, Send, Verdict
from flyte_connectors_asgi.messages import (
    ENCODINGS,
    PREFIX_BYTES,
    Budget,
    DisconnectedError,
    Event,
    Messages,
    Receive,
    StatusError,
    drop_rest,
    framed,
)
from flyte_connectors_asgi.metadata import seconds_of

Handler: TypeAlias = Any
"""A `grpc.RpcMethodHandler`, whose types know grpcio's own contexts only."""

logger = logging.getLogger(__name__)

_SECONDS_FOR_A_REQUEST = 60.0  # that a client may take to send one
_SECONDS_TO_END = 5.0  # for a status that the client does not take
_EARLIER, _EARLIER_SHARE = 0.02, 0.2  # seconds, and the share of a short time limit
_CHUNKS_AHEAD = 16  # of a request that is a stream

_IDENTITY = b"identity"
_OK: Event = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}

EXPIRED = Verdict(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded")
NOT_SENT = Verdict(
    grpc.StatusCode.DEADLINE_EXCEEDED,
    f"the request was not sent completely within {_SECONDS_FOR_A_REQUEST:g} s",
)
SHUTTING_DOWN = Verdict(grpc.StatusCode.UNAVAILABLE, "the service is shutting down")
GONE = Verdict(None)


class Application(Protocol):
    """What a call needs of its `GrpcApplication`."""

    largest: int
    interceptors: tuple[grpc.aio.ServerInterceptor, ...]
    budget: Budget
    waiting: set[Call]

    def find(self, details: CallDetails) -> Handler | None:
        """The handler of a call; None if the method is unknown."""


class Call(CallContext):
    """A call that is being answered; its handler knows it as the context.

    Args:
        application: What answers it.
        scope: Of the request, as ASGI has it.
        headers: Those of the request.
        receive: Gives the events of the request.
        send: Sends the events of the answer.
    """

    __slots__ = ("_application", "_headers", "_messages", "_receive", "_task", "_timer", "_watcher")

    def __init__(
        self,
        application: Application,
        scope: Event,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        super().__init__(scope, send)
        self._application = application
        self._headers = headers
        self._receive = receive
        self._messages: Messages | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer the call, with a status in any case."""
        try:
            handler = self._handler()
            if self._application.interceptors:
                await self._intercept(handler)
            if handler is None:
                self._fail(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {self.path}")
            if handler.request_streaming or handler.response_streaming:
                await self._stream(handler)
                return
            event = await self._receive()
            body = event.get("body", b"")
            if (
                len(body) >= PREFIX_BYTES
                and not body[0]
                and int.from_bytes(body[1:PREFIX_BYTES], "big") == len(body) - PREFIX_BYTES
                and len(body) - PREFIX_BYTES <= self._application.largest
            ):
                message = body[PREFIX_BYTES:]
            else:
                message = await self._message(event)
            self._enter(Phase.RUNNING)
            deserialize, serialize = handler.request_deserializer, handler.response_serializer
            reply = await handler.unary_unary(deserialize(message) if deserialize else message, self)
            await self._reply(serialize(reply) if serialize else reply)
        except BaseException as error:
            await self._end(error)
        finally:
            if self._messages is not None:
                self._messages.close()
            if self._watcher is not None:
                self._watcher.cancel()
            for callback in self._callbacks or ():
                callback(self)

    def waits(self) -> None:
        """It waits: from now on its time limit is watched, and whether the client is still there."""
        if self._task is None:
            self._task = asyncio.current_task()
            self._application.waiting.add(self)
        if self._timer is None:
            self._set_timer()
        if self._watcher is None and self._phase is Phase.RUNNING:
            self._watcher = asyncio.ensure_future(self._watch())

    def ended(self) -> None:
        """It waits no more."""
        self._application.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def end(self, verdict: Verdict) -> None:
        """Cancel it; only while it waits."""
        if self._verdict is None and self._task is not None:
            self._verdict = verdict
            self._task.cancel()

    def _handler(self) -> Handler | None:
        headers = self._headers
        timeout = headers.get(b"grpc-timeout")
        if timeout is not None:
            self._limit(timeout)
        encoding = headers.get(b"grpc-encoding", _IDENTITY)
        if encoding != _IDENTITY and encoding not in ENCODINGS:
            self._refuse_encoding(encoding)
        return self._application.find(CallDetails(self.path, self._scope["headers"]))

    def _limit(self, timeout: bytes) -> None:
        """Answer a little before the client's time is up: each call that it resets counts against its connection."""
        try:
            seconds = seconds_of(timeout)
        except ValueError:
            text = f"invalid grpc-timeout: {timeout[:20]!r}"
            self._fail(grpc.StatusCode.INTERNAL, text)
        self._deadline = time.monotonic() + seconds - min(_EARLIER, seconds * _EARLIER_SHARE)
        if seconds <= 0:
            raise StatusError(*EXPIRED)  # type: ignore[arg-type]  # its code is not None

    def _refuse_encoding(self, encoding: bytes) -> NoReturn:
        known = b",".join((_IDENTITY, *ENCODINGS)).decode()
        self._initial = (("grpc-accept-encoding", known),)
        text = f"unknown grpc-encoding {encoding[:20]!r}; known: {known}"
        self._fail(grpc.StatusCode.UNIMPLEMENTED, text)

    def _set_timer(self) -> None:
        now = time.monotonic()
        at, verdict = self._deadline, EXPIRED
        if self._phase is Phase.ENDING:
            at, verdict = now + _SECONDS_TO_END, GONE
        elif self._phase is Phase.READING and (at is None or at > now + _SECONDS_FOR_A_REQUEST):
            at, verdict = now + _SECONDS_FOR_A_REQUEST, NOT_SENT
        if at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(at - now, self.end, verdict)

    def _enter(self, phase: Phase) -> None:
        """The next part of the call begins, which has another time limit."""
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _watch(self) -> None:
        """End the call when the client is gone."""
        with contextlib.suppress(OSError):
            while (await self._receive())["type"] == "http.request":
                pass
        self.end(GONE)

    async def _intercept(self, handler: Handler) -> None:
        """Have the interceptors look at the call, before its request is read; one that refuses it ends it."""

        async def found(_: object) -> Handler:
            return handler

        given: Any = CallDetails(self.path, self._scope["headers"])
        for interceptor in self._application.interceptors:
            checked: Handler = await interceptor.intercept_service(found, given)
            if checked is not handler:
                await checked.unary_unary(None, self)  # aborts

    async def _message(self, event: Event) -> bytes:
        """The one message of a request that has not come in one piece."""
        self._messages = messages = self._reader()
        messages.add(event)
        message = await messages.next()
        if message is None:
            self._fail(grpc.StatusCode.UNIMPLEMENTED, "the request holds no message")
        return message

    def _reader(self, receive: Receive | None = None) -> Messages:
        encoding = self._headers.get(b"grpc-encoding", b"")
        return Messages(receive or self._receive, self._application.largest, self._application.budget, encoding)

    async def _stream(self, handler: Handler) -> None:
        self._serialize = handler.response_serializer
        argument: Any
        if handler.request_streaming:
            argument = self._requests(self._read_ahead(), handler.request_deserializer)
        else:
            message = await self._message(await self._receive())
            deserialize = handler.request_deserializer
            argument = deserialize(message) if deserialize else message
        self._enter(Phase.RUNNING)
        behaviour: Any = (
            handler.stream_stream or handler.unary_stream if handler.response_streaming else handler.stream_unary
        )
        result = behaviour(argument, self)
        if not handler.response_streaming:
            await self.write(await result)
        elif hasattr(result, "__aiter__"):
            async with contextlib.aclosing(result):
                async for item in result:
                    await self.write(item)
        else:  # it calls `write` itself
            await result
        await self._finish(self._code or grpc.StatusCode.OK, self._details)

    def _read_ahead(self) -> Messages:
        """What a request holds that is a stream, read ahead to notice when the client leaves."""
        chunks: asyncio.Queue[Event] = asyncio.Queue(_CHUNKS_AHEAD)

        async def read() -> None:
            with contextlib.suppress(OSError):
                while (event := await self._receive())["type"] == "http.request":
                    await chunks.put(event)
            self.end(GONE)

        self._watcher = asyncio.ensure_future(read())
        self._messages = self._reader(chunks.get)
        return self._messages

    async def _requests(self, messages: Messages, deserialize: Callable[[bytes], Any] | None) -> AsyncIterator[Any]:
        while (message := await messages.next()) is not None:
            yield deserialize(message) if deserialize else message

    # ---- The answer -------------------------------------------------------------------------------

    async def _reply(self, message: bytes) -> None:
        """Send the one message of the answer, and the status."""
        if len(message) > self._application.largest:
            text = f"reply of {len(message)} bytes exceeds {self._application.largest} (--max-message-bytes)"
            self._fail(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        if self._started or self._initial or self._trailing or self._code is not None:
            await self._put(framed(message))
            await self._finish(self._code or grpc.StatusCode.OK, self._details)
            return
        send = self._send
        with contextlib.suppress(OSError):  # the client is gone
            await send(START)
            await send({"type": "http.response.body", "body": framed(message)})
            await send(_OK)

    async def _end(self, error: BaseException) -> None:
        """End the call with the status of an error."""
        code, details = self._status_of(error)
        if self._verdict is not None:
            self._verdict = None
            if sys.version_info >= (3, 11) and self._task is not None:
                self._task.uncancel()
        if code is None:
            return
        is_unread = self._phase is Phase.READING
        self._enter(Phase.ENDING)
        try:
            if is_unread and not isinstance(error, asyncio.CancelledError):
                await drop_rest(self._messages or self._reader())
            await self._finish(code, details)
        except DisconnectedError:
            pass
        except asyncio.CancelledError:
            if self._verdict is None:
                raise

    def _status_of(self, error: BaseException) -> tuple[grpc.StatusCode | None, str]:
        if isinstance(error, asyncio.CancelledError):
            if self._verdict is None:
                raise error
            return self._verdict
        if isinstance(error, DisconnectedError):
            return None, ""
        if isinstance(error, StatusError):
            return error.code, error.details
        if isinstance(error, grpc.aio.AbortError):
            return self._code, self._details
        if not isinstance(error, Exception):
            raise error
        logger.error("the handler of %s failed", self.path, exc_info=error)
        return grpc.StatusCode.UNKNOWN, "the handler failed; see the service's log"

    def _fail(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise StatusError(code, details)
