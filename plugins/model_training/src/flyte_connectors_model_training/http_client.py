"""HTTP as the connector needs it: pooled, limited in time and size, with errors that tell why.

One client per event loop keeps the connections, closed with the loop. Credentials are no part of
a client: they go with each request, and cookies are not kept, so no caller gets anything of
another's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx
from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)

if sys.version_info >= (3, 11):
    from asyncio import timeout as time_limit
else:
    from async_timeout import timeout as time_limit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 15.0
MAX_REPLY_BYTES = 16 * 1024**2
# The service, or a proxy before it, failed at some point of its work.
_UNCERTAIN = frozenset({500, 502, 504})
_SHOWN_CHARACTERS = 300
# Nothing was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class NotJsonError(ServiceUnavailableError):
    """A reply is no JSON: perhaps a proxy's page, which goes away."""


class UncertainOutcomeError(ConflictError):
    """A request may have come through, and sending it again may do its work twice."""


class Reply(NamedTuple):
    """A reply of any status; `where` names the host and path that it came from."""

    status: int
    headers: httpx.Headers
    text: str
    where: str

    def json(self) -> Any:
        """Decode the body.

        Raises:
            NotJsonError: It is no JSON.
        """
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no type").partition(";")[0]
            message = f"{self.where} answered {kind}, not JSON: is this the training service?"
            raise NotJsonError(message) from error

    def checked(self) -> Reply:
        """Answer itself if the request was successful; otherwise raise what its status means."""
        if 200 <= self.status < 300:  # noqa: PLR2004, successful (RFC 9110)
            return self
        raise self.error()

    def error(self) -> ConnectorError:
        """Make the error that the status means."""
        if 300 <= self.status < 400:  # noqa: PLR2004, redirections (RFC 9110)
            target = self.headers.get("location", "nowhere")
            host = urlsplit(target).netloc or self.where
            message = f"{self.where} redirects to {host}: name the final address as the endpoint"
            return InvalidRequestError(message)
        kind = _ERRORS.get(self.status)
        if kind is None:
            kind = InvalidRequestError if self.status < 500 else ServiceUnavailableError  # noqa: PLR2004
        return kind(f"{self.where} answered {self.status}{self._said()}")

    def _said(self) -> str:
        """The reason that the service gave, if it gave one as JSON."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            return ""
        for name in ("error", "message", "detail", "msg"):
            if isinstance(body, dict) and isinstance(body.get(name), str):
                return f": {body[name][:_SHOWN_CHARACTERS]}"
        return ""


_ERRORS: dict[int, type[ConnectorError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: JobNotFoundError,
    410: JobNotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


async def send(  # noqa: PLR0913, the parts of a request
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: object = None,
    query: Mapping[str, str | int] | None = None,
    repeatable: bool = True,
) -> Reply:
    """Send a request, once: the core repeats a call that fails for a passing reason.

    Args:
        method: The verb.
        url: Where to.
        headers: Credentials among them.
        body: Sent as JSON.
        query: Parameters of the URL.
        repeatable: Whether sending it twice does no harm.

    Raises:
        ServiceUnavailableError: There is no answer, too late, too long, or no HTTP.
        UncertainOutcomeError: The same for a request that must not be repeated, unless it
            certainly did not come through.
    """
    parts = urlsplit(url)
    where = f"{parts.netloc}{parts.path}"
    request = _client().build_request(method, url, headers=headers, json=body, params=query)
    try:
        reply = await _send(request, where)
    except (httpx.HTTPError, asyncio.TimeoutError, _ReplyTooLargeError) as error:
        if repeatable or isinstance(error, _UNSENT):
            message = f"{where} {_reason(error)}"
            raise ServiceUnavailableError(message) from error
        raise _uncertain(f"{where} {_reason(error)}") from error
    if reply.status in _UNCERTAIN and not repeatable:
        raise _uncertain(f"{where} answered {reply.status}")
    return reply


def _uncertain(what: str) -> UncertainOutcomeError:
    return UncertainOutcomeError(f"{what}: perhaps it did start, so it is not asked again")


class _ReplyTooLargeError(Exception):
    """More bytes than `MAX_REPLY_BYTES`."""


async def _send(request: httpx.Request, where: str) -> Reply:
    async with time_limit(REPLY_SECONDS):
        response = await _client().send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_REPLY_BYTES:
                    raise _ReplyTooLargeError
        finally:
            await response.aclose()
    return Reply(response.status_code, response.headers, content.decode(errors="replace"), where)


def _reason(error: Exception) -> str:
    if isinstance(error, _ReplyTooLargeError):
        return f"answered more than {MAX_REPLY_BYTES} bytes"
    if isinstance(error, (asyncio.TimeoutError, httpx.TimeoutException)):
        return f"gave no answer within {REPLY_SECONDS:g} s"
    if isinstance(error, httpx.ConnectError):
        return "can't be reached: is the address right, and is the service up?"
    if isinstance(error, httpx.RemoteProtocolError):
        return "broke off its answer, or does not speak HTTP"
    return f"failed to answer ({type(error).__name__})"


class _LoopClient(NamedTuple):
    client: httpx.AsyncClient
    lifetime: AsyncGenerator[None, None]


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClient] = WeakKeyDictionary()


def _client() -> httpx.AsyncClient:
    """Answer the running loop's client."""
    loop = asyncio.get_running_loop()
    entry = _clients.get(loop)
    if entry is None:
        client = httpx.AsyncClient(
            timeout=httpx.Timeout(REPLY_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        entry = _clients[loop] = _LoopClient(client, _closing(client))
        _begin(entry.lifetime)
    return entry.client


async def _closing(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Close the client when the loop ends: a loop closes the generators that were begun on it."""
    try:
        yield
    finally:
        await client.aclose()


def _begin(generator: AsyncGenerator[None, None]) -> None:
    """Run an asynchronous generator to its first `yield`; it must not wait before."""
    try:
        generator.__anext__().__await__().send(None)
    except StopIteration:
        return
