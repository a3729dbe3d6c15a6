"""The HTTP server of the service: a thread for each request, in plain HTTP or TLS on one port."""

from __future__ import annotations

import logging
import socket
import ssl
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

_TLS_HANDSHAKE = b"\x16"  # how TLS begins (RFC 8446, 5.1)
_SECONDS_FOR_A_REQUEST = 30  # that a client may take to send one


class HttpServer(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application.

    Args:
        listening: A socket that listens.
        application: What it serves.
        tls: Names the certificate for clients that use TLS; None refuses these.
    """

    daemon_threads = True
    timeout = 1.0  # seconds, for a client that has left before it was accepted

    def __init__(self, listening: socket.socket, application: WSGIApplication, tls: ServiceSettings | None) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()[:2]
        self.setup_environ()
        self.set_app(application)
        self._tls = tls

    def close(self) -> None:
        """Stop listening."""
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a client, in its thread; over TLS if that is how it begins."""
        request.settimeout(_SECONDS_FOR_A_REQUEST)
        try:
            if self._tls is None or request.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
                super().finish_request(request, client_address)
                return
            from flyte_connectors.service.tls import https_context  # only with a certificate

            with https_context(self._tls).wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError as error:  # ssl.SSLError is one
            logger.debug("a client of the HTTP port has left: %s", error)


class _Handler(WSGIRequestHandler):
    timeout = _SECONDS_FOR_A_REQUEST

    def get_environ(self) -> dict[str, Any]:
        """The CGI environment; `HTTPS` makes WSGI's `wsgi.url_scheme` what it is."""
        secured = {"HTTPS": "on"} if isinstance(self.request, ssl.SSLSocket) else {}
        return {**super().get_environ(), **secured}

    def log_message(self, *_: Any, **__: Any) -> None:
        """Probes and scrapes every few seconds are not worth a line."""
