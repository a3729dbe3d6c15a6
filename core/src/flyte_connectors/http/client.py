"""Requests to a service over HTTP: below one URL, once each, within limits.

A client is made for a call and costs next to nothing: connections belong to the event loop
(`transport`). Cookies are not kept, so no caller gets anything of another's.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from flyte_connectors.endpoints import checked_endpoint, is_unrestricted, unrestricted
from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError
from flyte_connectors.http import targets
from flyte_connectors.http.auth import checked_headers
from flyte_connectors.http.failures import FAILURES, Limits, Progress, reason, uncertain
from flyte_connectors.http.reply import Reply, chunks
from flyte_connectors.http.statuses import MAYBE_DONE
from flyte_connectors.http.transport import connections
from flyte_connectors.secrets import mask

if sys.version_info >= (3, 11):
    from asyncio import timeout as time_limit
else:
    from async_timeout import timeout as time_limit

if TYPE_CHECKING:
    import ssl

logger = logging.getLogger(__name__)

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IDEMPOTENT = _SAFE | {"PUT", "DELETE"}  # RFC 9110, 9.2.2
_UNSENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError)
_DEFAULT_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "flyte-connectors"}


class Client:
    """Sends requests below one URL, and nowhere else.

    Args:
        base: `https://host[:port][/path]`.
        field: Where the task names `base`, such as `custom.endpoint`, or the operator does: for errors.
        auth: Headers from `bearer`, `basic` or `header`, sent with every request.
        headers: Other headers, sent with every request.
        trusted: Whether the operator chose `base`, in a setting of the service. Otherwise a request
            did, and `flyte_connectors.endpoints` decides whether it may be called.
        limits: Of each request.
        tls: Trusted authorities and client certificate; by default what `SSL_CERT_FILE` or certifi
            say. Connections are shared by clients with the same object.
        socket: Path of a Unix socket to connect to instead of the host of `base`, the operator's choice.

    Raises:
        InvalidRequestError: `base` is not a plain URL, or a header can't be sent.
        PermissionDeniedError: the operator does not allow `base`.
    """

    def __init__(  # noqa: PLR0913  (what requests have in common)
        self,
        base: str,
        *,
        field: str,
        auth: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        socket: str | None = None,
    ) -> None:
        self._field = field
        self._trusted = trusted
        self._has_auth = bool(auth)
        mask(*(auth or {}).values())
        self._headers = checked_headers({**(headers or {}), **(auth or {})}, field)
        self._limits = limits or Limits()
        self._tls = tls
        self._socket = socket
        self._base = httpx.URL(self._granted(base))

    @property
    def base(self) -> str:
        """The URL that everything is below, without a slash at the end."""
        return str(self._base).rstrip("/")

    async def request(  # noqa: PLR0913  (the parts of a request)
        self,
        method: str,
        *parts: targets.Part,
        query: Mapping[str, str | int | float | bool | None] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        trailing_slash: bool = False,
        repeatable: bool | None = None,
        check: bool = True,
    ) -> Reply:
        """Send a request, once: the core repeats calls that fail with transient errors.

        Args:
            method: The method.
            parts: Parts of the path below the client's URL, such as `"jobs", job_id`; each is quoted.
            query: Parameters of the URL.
            body: Sent as JSON.
            headers: Further headers.
            trailing_slash: Whether the path ends with a slash, which some services insist on.
            repeatable: Whether sending it twice does no harm; by default what the method promises
                (GET, HEAD, OPTIONS, PUT and DELETE do). Say True for a POST with an id or key by which the
                service knows a repetition.
            check: Whether a status other than 2xx is raised as the error that it means.

        Raises:
            InvalidRequestError: a part, a header or the body can't be sent, or the service refuses it.
            ServiceUnavailableError: no answer, or one that is too late, too long or not HTTP.
            UncertainOutcomeError: the same for a request that is not repeatable, unless it certainly
                did not come through.
            ConnectorError: what the status means.
        """
        url = targets.below(self._base, parts, self._field, slash=trailing_slash)
        request = self._request(method, url, query, body, headers)
        return await self._answer(request, repeatable=repeatable, check=check)

    async def get(self, *parts: targets.Part, **options: Any) -> Reply:
        """`request` with GET."""
        return await self.request("GET", *parts, **options)

    async def post(self, *parts: targets.Part, **options: Any) -> Reply:
        """`request` with POST."""
        return await self.request("POST", *parts, **options)

    async def put(self, *parts: targets.Part, **options: Any) -> Reply:
        """`request` with PUT."""
        return await self.request("PUT", *parts, **options)

    async def delete(self, *parts: targets.Part, **options: Any) -> Reply:
        """`request` with DELETE."""
        return await self.request("DELETE", *parts, **options)

    async def follow(self, link: str, *, check: bool = True) -> Reply:
        """The reply to a GET of a link that the service gave, such as the one to the next page.

        Args:
            link: Absolute, or relative to the client's URL; it must be below that.
            check: See `request`.

        Raises:
            InvalidRequestError: the link leads elsewhere.
            ConnectorError: see `request`.
        """
        url = targets.linked(self._base, link, self._field)
        return await self._answer(self._request("GET", url), repeatable=True, check=check)

    async def download(self, link: str, write: Callable[[bytes], object]) -> Reply:
        """GET a link as `follow` does, and pass the body on in pieces instead of keeping it.

        Args:
            link: See `follow`.
            write: Called with each piece of the body of a successful reply.

        Returns:
            The reply, of any status; its content is empty if it was successful.

        Raises:
            ConnectorError: see `request`.
        """
        url = targets.linked(self._base, link, self._field)
        return await self._answer(self._request("GET", url), repeatable=True, check=False, write=write)

    def _granted(self, base: str) -> str:
        """`base`, if it may be called now."""
        if self._trusted:
            with unrestricted():
                return checked_endpoint(base, self._field, with_credentials=False)
        return checked_endpoint(base, self._field, with_credentials=self._has_auth)

    def _request(
        self,
        method: str,
        url: httpx.URL,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        sent = httpx.Headers(_DEFAULT_HEADERS)
        sent.update(self._headers)
        sent.update(checked_headers(headers or {}, self._field))
        content = None
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            try:
                content = json.dumps(body, allow_nan=False).encode()
            except (ValueError, TypeError, RecursionError) as error:
                message = f"the body of the request can't be written as JSON: {error}"
                raise InvalidRequestError(message, field=self._field) from error
        try:
            url = url.copy_merge_params(query) if query else url
        except UnicodeEncodeError:
            message = "a parameter of the URL is not a text in UTF-8"
            raise InvalidRequestError(message, field=self._field) from None
        return httpx.Request(method, url, headers=sent, content=content)

    async def _answer(
        self,
        request: httpx.Request,
        *,
        repeatable: bool | None,
        check: bool,
        write: Callable[[bytes], object] | None = None,
    ) -> Reply:
        if repeatable is None:
            repeatable = request.method in _IDEMPOTENT
        reply = await self._sent(request, repeatable=repeatable, write=write)
        for _ in range(self._limits.redirects if request.method in _SAFE else 0):
            target = reply.headers.get("location")
            if target is None or not 300 <= reply.status < 400:  # noqa: PLR2004
                break
            url = targets.linked(request.url, target, self._field)
            request = httpx.Request(request.method, url, headers=request.headers)
            reply = await self._sent(request, repeatable=repeatable, write=write)
        if check and not reply.is_success:
            raise reply.error()
        return reply

    async def _sent(
        self, request: httpx.Request, *, repeatable: bool, write: Callable[[bytes], object] | None
    ) -> Reply:
        where = f"{request.url.netloc.decode()}{targets.path_of(request.url)}"
        progress = Progress()
        seconds = self._limits.connect_seconds
        request.extensions = {
            "timeout": {"connect": seconds, "pool": seconds, "read": self._limits.silence_seconds},
            "trace": progress.note,
        }
        try:
            async with time_limit(self._limits.reply_seconds), self._opened(request) as response:
                content = bytearray()
                passes_on = write if 200 <= response.status < 300 else None  # noqa: PLR2004
                async for chunk in chunks(response, self._limits.reply_bytes):
                    (passes_on or content.extend)(chunk)
        except FAILURES as error:
            text = f"{where} {reason(error, self._limits)}"
            if progress.is_sent and not repeatable:
                raise uncertain(text) from error
            raise ServiceUnavailableError(text, outcome_unknown=progress.is_sent) from error
        reply = Reply(response.status, httpx.Headers(response.headers), bytes(content), where)
        if reply.status in MAYBE_DONE and not repeatable:
            raise uncertain(reply.error().message)
        return reply

    @asynccontextmanager
    async def _opened(self, request: httpx.Request) -> AsyncIterator[httpcore.Response]:
        """The one place that sends: `request.url` is what httpx made of every part of it."""
        self._granted(str(self._base))
        targets.check(request.url, self._base, self._field)
        loop_connections = connections()
        place = nullcontext() if self._limits.stays_open else loop_connections.slots(request.url)
        async with place:
            checked = not (self._trusted or is_unrestricted())
            response = await loop_connections.open(
                request, self._field, checked=checked, tls=self._tls, socket=self._socket
            )
            try:
                yield response
            finally:
                await response.aclose()
