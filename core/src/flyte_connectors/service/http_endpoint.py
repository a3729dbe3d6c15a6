"""The HTTP side of the service: /metrics for Prometheus, /healthz and /readyz for probes, pages of plugins.

Each page is a WSGI application (PEP 3333), the service's own as well as those of the hook `http_routes`. They
run in separate threads, so a slow page does not delay calls. Nothing is loaded for them before the first
request.
"""

from __future__ import annotations

import logging
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from flyte_connectors.errors import ServiceStartError
from flyte_connectors.service.settings import address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client.registry import Collector

    from flyte_connectors.service.http_server import HttpServer
    from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

OWN_PATHS = ("/metrics", "/healthz", "/readyz")


class Readiness(Protocol):
    """An object that knows whether calls are accepted."""

    serving: bool


class HttpEndpoint:
    """The HTTP server.

    Args:
        listening: A socket that listens; closed with the endpoint.
        readiness: Says what /readyz answers.
        collector: Makes what /metrics shows, from the first scrape on: it needs a separate library.
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
        collector: Callable[[], Collector],
        routes: Iterable[tuple[str, WSGIApplication]] = (),
        *,
        tls: ServiceSettings | None = None,
    ) -> None:
        pages = _pages(routes)
        self.paths = tuple(pages)

        def application(request: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            path = request["PATH_INFO"]
            if path == "/metrics":
                from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

                return _answer(start, "200 OK", generate_latest(collector()), CONTENT_TYPE_LATEST)
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

        self._application = application
        self._listening = listening
        self._tls = tls
        self._server: HttpServer | None = None
        self._closing, self._closed = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.close()
        self._thread.join()
        for each in (self._closing, self._server or self._listening):
            each.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._listening, selectors.EVENT_READ)
            ready.register(self._closing, selectors.EVENT_READ)
            while all(key.fileobj is self._listening for key, _ in ready.select()):
                if self._server is None:
                    # A third of what the service would load, and memory, for what may never be asked.
                    from flyte_connectors.service.http_server import HttpServer

                    self._server = HttpServer(self._listening, self._application, self._tls)
                self._server.handle_request()


def listen_http(settings: ServiceSettings) -> socket.socket:
    """The HTTP port, bound before the service reports that it is ready.

    Raises:
        ServiceStartError: it is in use.
    """
    host, port = settings.host, settings.metrics_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        text = error.strerror or str(error)
        message = f"can't listen on {address_of(host, port)} for metrics: {text}"
        raise ServiceStartError(message) from error


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


def _answer(start: StartResponse, status: str, body: bytes, content: str = "text/plain") -> Iterable[bytes]:
    start(status, [("Content-Type", content), ("Content-Length", str(len(body)))])
    return [body]


def _guarded(page: WSGIApplication, request: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
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
