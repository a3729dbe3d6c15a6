"""The HTTP side of the service: /metrics for Prometheus, /healthz and /readyz for probes, pages of plugins.

Each page is a WSGI application (PEP 3333), the service's own as well as those of the hook `http_routes`. They
run in separate threads, so a slow page does not delay calls.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from flyte_connectors.errors import ServiceStartError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client.registry import Collector

    from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

OWN_PATHS = ("/metrics", "/healthz", "/readyz")
_TLS_HANDSHAKE = b"\x16"  # how TLS begins (RFC 8446, 5.1)
_SECONDS_TO_CLOSE = 0.05  # how soon the server notices; the shutdown waits for it
_SECONDS_FOR_A_REQUEST = 30  # that a client may take to send one


class Readiness(Protocol):
    """An object that knows whether calls are accepted."""

    serving: bool


class HttpEndpoint:
    """The HTTP server.

    Args:
        listening: A socket that listens; closed with the endpoint.
        readiness: Says what /readyz answers.
        collector: What /metrics shows.
        routes: Pages by the path below which each answers, such as `/console`.
        tls: Names the certificate for clients that use TLS; all may use plain HTTP, as probes do.

    Attributes:
        paths: Those of `routes`.

    Raises:
        ServiceStartError: a path is not one, or is taken.
    """

    def __init__(
        self,
        listening: socket.socket,
        readiness: Readiness,
        collector: Collector,
        routes: Iterable[tuple[str, WSGIApplication]] = (),
        *,
        tls: ServiceSettings | None = None,
    ) -> None:
        pages = _pages(routes)
        self.paths = tuple(pages)
        metrics = CollectorRegistry()
        metrics.register(collector)

        def application(request: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            path = request["PATH_INFO"]
            if path == "/metrics":
                return _answer(start, "200 OK", generate_latest(metrics), CONTENT_TYPE_LATEST)
            if path == "/healthz":
                return _answer(start, "200 OK", b"alive\n")
            if path == "/readyz":
                ready = readiness.serving
                status = "200 OK" if ready else "503 Service Unavailable"
                return _answer(start, status, b"ready\n" if ready else b"not ready\n")
            for prefix, page in pages.items():
                if path == prefix or path.startswith(f"{prefix}/"):
                    request["SCRIPT_NAME"], request["PATH_INFO"] = prefix, path[len(prefix) :]
                    return _guarded(page, request, start)
            known = ", ".join((*OWN_PATHS, *pages))
            return _answer(start, "404 Not Found", f"not found; try {known}\n".encode())

        self._server = _Server(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self._server.take(listening)
        self._server.tls = tls
        self._server.set_app(application)
        serve = partial(self._server.serve_forever, poll_interval=_SECONDS_TO_CLOSE)
        threading.Thread(target=serve, name="http", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    tls: ServiceSettings | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a client, in its thread; over TLS if that is how it begins."""
        request.settimeout(_SECONDS_FOR_A_REQUEST)
        try:
            if self.tls is None or request.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
                super().finish_request(request, client_address)
                return
            from flyte_connectors.service.tls import https_context  # only with a certificate

            with https_context(self.tls).wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError as error:  # ssl.SSLError is one
            logger.debug("a client of the HTTP port has left: %s", error)

    def take(self, listening: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()[:2]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = _SECONDS_FOR_A_REQUEST

    def get_environ(self) -> dict[str, Any]:
        """The CGI environment; `HTTPS` makes WSGI's `wsgi.url_scheme` what it is."""
        secured = {"HTTPS": "on"} if isinstance(self.request, ssl.SSLSocket) else {}
        return {**super().get_environ(), **secured}

    def log_message(self, *_: Any, **__: Any) -> None:
        """Probes and scrapes every few seconds are not worth a line."""


def _pages(routes: Iterable[tuple[str, WSGIApplication]]) -> Mapping[str, WSGIApplication]:
    """The applications by path, the longest path first."""
    pages: dict[str, WSGIApplication] = {}
    for path, page in routes:
        if not path.startswith("/") or path.endswith("/"):
            raise ServiceStartError(f"http_routes: {path!r} must begin with / and not end with it")
        if path in (*OWN_PATHS, *pages):
            raise ServiceStartError(f"http_routes: {path} is taken: choose another path")
        pages[path] = page
    return dict(sorted(pages.items(), key=lambda item: -len(item[0])))


def _answer(
    start: StartResponse, status: str, body: bytes, content: str = "text/plain"
) -> Iterable[bytes]:
    start(status, [("Content-Type", content), ("Content-Length", str(len(body)))])
    return [body]


def _guarded(
    page: WSGIApplication, request: WSGIEnvironment, start: StartResponse
) -> Iterable[bytes]:
    """The response of a page; if it raises, the log has the exception and the client a plain 500."""
    try:
        answer = page(request, start)
        try:
            yield from answer
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
    except Exception:
        logger.exception("%s of %s failed", request["REQUEST_METHOD"], request["SCRIPT_NAME"])
        text = [("Content-Type", "text/plain")]
        # Raises, if it had begun to answer.
        start("500 Internal Server Error", text, sys.exc_info())
        yield b"failed; see the service's log\n"
