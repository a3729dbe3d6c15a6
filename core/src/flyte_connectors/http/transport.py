"""Connections to vendors, kept per event loop, each to an address that was checked.

A name is resolved here, and the address that was checked is the one that is connected to: an answer that
changes between check and connection leads nowhere. TLS still asks for the name.

Behind a proxy (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, read once per event loop) the proxy resolves
names: then the name alone is checked here, and what may be reached is the proxy's to limit.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import urllib.request
from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import httpcore
import httpx

from flyte_connectors.endpoints import check_connection
from flyte_connectors.errors import InvalidRequestError

MAX_CONNECTIONS = 100
"""At once to one host and port; what comes above waits for one. Streams that stay open are not counted."""

_KEPT_CONNECTIONS = 20
_KEPT_SECONDS = 5.0

_field: contextvars.ContextVar[str] = contextvars.ContextVar("field", default="endpoint")


class Route(NamedTuple):
    """What requests must have in common to share connections.

    Attributes:
        scheme: `http` or `https`.
        proxy: URL of the proxy; None for none.
        checked: Whether internal addresses are refused unless the operator lists them.
        tls: The TLS context; None for the usual one.
        socket: Path of a Unix socket to connect to instead of the host.
    """

    scheme: str
    proxy: str | None
    checked: bool
    tls: Any = None
    socket: str | None = None


class Connections:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._pools: dict[Route, httpcore.AsyncConnectionPool] = {}
        self._slots: WeakValueDictionary[tuple[str, int | None], asyncio.Semaphore] = WeakValueDictionary()
        self._proxies = urllib.request.getproxies_environment()

    def slots(self, url: httpx.URL) -> asyncio.Semaphore:
        """What limits the requests to one host and port, so that a slow one takes no other's place."""
        key = (url.host, url.port)
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = asyncio.Semaphore(MAX_CONNECTIONS)
        return slots

    async def open(
        self, request: httpx.Request, field: str, *, checked: bool, tls: Any, socket: str | None = None
    ) -> httpcore.Response:
        """Send `request`; the body of the answer is yet to be read.

        Raises:
            httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError: no answer.
            PermissionDeniedError: the address that the host was resolved to is not allowed.
        """
        url = request.url
        token = _field.set(field)
        try:
            proxy = None if socket else self._proxy(url)
            pool = await self._pool(Route(url.scheme, proxy, checked, tls, socket))
            return await pool.handle_async_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        finally:
            _field.reset(token)

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    async def _pool(self, route: Route) -> httpcore.AsyncConnectionPool:
        pool = self._pools.get(route)
        if pool is not None:
            return pool
        tls = route.tls
        if tls is None and route.scheme == "https":
            tls = await _usual_tls()
        direct = route.proxy is None and route.socket is None
        backend = _CheckedBackend() if route.checked and direct else None
        options: dict[str, Any] = {
            "ssl_context": tls,
            "max_connections": None,
            "max_keepalive_connections": _KEPT_CONNECTIONS,
            "keepalive_expiry": _KEPT_SECONDS,
            "network_backend": backend,
        }
        if route.proxy is None:
            pool = httpcore.AsyncConnectionPool(uds=route.socket, **options)
        else:
            pool = httpcore.AsyncHTTPProxy(**_proxy_options(route.proxy), **options)
        return self._pools.setdefault(route, pool)

    def _proxy(self, url: httpx.URL) -> str | None:
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        if not proxy or urllib.request.proxy_bypass(url.host):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that may be reached, and no others."""

    def __init__(self) -> None:
        self._backend: Any = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout
        addresses = await _resolved(host, port, timeout)
        for address in addresses:
            check_connection(host, port, address, _field.get())
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for number, address in enumerate(addresses):
            # One that does not answer leaves time for the others.
            left = None if end is None else (end - loop.time()) / (len(addresses) - number)
            try:
                connected: httpcore.AsyncNetworkStream = await self._backend.connect_tcp(
                    address, port, left and max(left, 0.001), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return connected
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _resolved(host: str, port: int, seconds: float | None) -> list[str]:
    """The addresses of a host, without repetition."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except asyncio.TimeoutError as error:
        raise httpcore.ConnectTimeout(f"{host} could not be resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} can't be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _proxy_options(proxy: str) -> dict[str, Any]:
    url = httpx.URL(proxy)
    if url.scheme not in ("http", "https"):
        message = f"the proxy in the environment has scheme {url.scheme!r}: use http or https"
        raise InvalidRequestError(message)
    return {
        "proxy_url": httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"),
        "proxy_auth": (url.username, url.password) if url.userinfo else None,
    }


_tls: Any = None


async def _usual_tls() -> Any:
    """The TLS context of all clients, made in a thread: reading the certificates takes 50 ms."""
    global _tls  # noqa: PLW0603  (made once)
    if _tls is None:
        _tls = await asyncio.to_thread(httpx.create_ssl_context)
    return _tls


class _OfLoop(NamedTuple):
    connections: Connections
    lifetime: AsyncGenerator[None, None]


_by_loop: dict[asyncio.AbstractEventLoop, _OfLoop] = {}
_inherited: list[Any] = []


def connections() -> Connections:
    """The running loop's connections, which are closed when it ends."""
    loop = asyncio.get_running_loop()
    entry = _by_loop.get(loop)
    if entry is None:
        for other in [other for other in _by_loop if other.is_closed()]:
            del _by_loop[other]
        own = Connections()
        entry = _by_loop[loop] = _OfLoop(own, _closing(own))
        _begin(entry.lifetime)
    return entry.connections


async def _closing(own: Connections) -> AsyncGenerator[None, None]:
    """Close `own` when the loop ends: a loop closes the generators that were begun on it."""
    try:
        yield
    finally:
        _by_loop.pop(asyncio.get_running_loop(), None)
        await own.close()


def _begin(generator: AsyncGenerator[None, None]) -> None:
    """Run an asynchronous generator to its first `yield`; it must not wait before."""
    try:
        generator.__anext__().__await__().send(None)
    except StopIteration:
        return


def _forget_the_parents() -> None:
    """A forked child shares its parent's sockets: it must neither use nor close them."""
    _inherited.append(dict(_by_loop))
    _by_loop.clear()


os.register_at_fork(after_in_child=_forget_the_parents)
