"""Requests that got no answer: what went wrong, how far they came, and what the limits are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from flyte_connectors.errors import UncertainOutcomeError
from flyte_connectors.http.reply import _EncodingError, _ReplyTooLargeError


@dataclass(frozen=True)
class Limits:
    """What a client waits for and reads at most.

    A call that runs out of its caller's time is cancelled, whatever the limits say.

    Args:
        connect_seconds: Until there is a connection, the name's resolution included.
        reply_seconds: For a whole request, from its start to the last byte of the reply.
        silence_seconds: Between two parts of a reply; None for no limit but the whole one.
        reply_bytes: Of a reply's body, decompressed.
        redirects: Redirects that are followed, below the same URL only, of GET and HEAD only.
        stays_open: Whether the reply is a stream that stays open, such as a watch: then it takes no place
            among the requests that may be sent to a host at once.
    """

    connect_seconds: float = 5.0
    reply_seconds: float = 15.0
    silence_seconds: float | None = None
    reply_bytes: int = 16 * 1024**2
    redirects: int = 0
    stays_open: bool = False


FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    asyncio.TimeoutError,
    _ReplyTooLargeError,
    _EncodingError,
)


class Progress:
    """How far a request has come, from the events of httpcore."""

    is_sent = False

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of an event, such as `http11.send_request_headers.started`."""
        if event.endswith("send_request_headers.started"):
            request = info.get("request")
            self.is_sent = self.is_sent or getattr(request, "method", b"") != b"CONNECT"


def reason(error: Exception, limits: Limits) -> str:
    """What went wrong, as the end of a sentence that begins with the address."""
    if isinstance(error, (_ReplyTooLargeError, _EncodingError)):
        return str(error)
    texts: dict[type[Exception] | tuple[type[Exception], ...], str] = {
        httpcore.ConnectTimeout: f"can't be reached within {limits.connect_seconds:g} s",
        (asyncio.TimeoutError, httpcore.TimeoutException): (f"gave no answer within {limits.reply_seconds:g} s"),
        httpcore.ProxyError: "can't be reached: the proxy in the environment refuses",
        httpcore.ConnectError: (
            f"can't be reached{_system_reason(error)}: is the address right, and is the service up?"
        ),
        httpcore.RemoteProtocolError: "closed the connection early, or is not an HTTP server",
    }
    if isinstance(error, httpcore.ConnectError) and "CERTIFICATE" in str(error).upper():
        return "has a certificate that is not trusted, or not for this name"
    otherwise = f"failed to answer ({type(error).__name__})"
    return next((text for kind, text in texts.items() if isinstance(error, kind)), otherwise)


def _system_reason(error: BaseException | None) -> str:
    """Such as ` (Connection refused)`, where the system gave a reason."""
    while error is not None:
        if isinstance(error, OSError) and error.errno and error.strerror:
            return f" ({os.strerror(error.errno) if error.errno > 0 else error.strerror})"
        error = error.__cause__ or error.__context__
    return ""


def uncertain(what: str) -> UncertainOutcomeError:
    """The error of a request that must not be repeated and may have been carried out."""
    return UncertainOutcomeError(f"{what}: it may have been carried out, so it is not sent again")
