"""`flyte-connectors console`: the runs of this machine in a browser."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flyte_connectors.cli import history
from flyte_connectors.errors import ServiceStartError

from flyte_connectors_console.access import Access, OneToken
from flyte_connectors_console.application import Console
from flyte_connectors_console.laptop_place import LaptopPlace

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ENDPOINT_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT"

_HOST = "127.0.0.1"
_LARGEST_PORT = 65535
_LOOK_SECONDS = 1.0  # between two looks whether the run still lives
_KEPT_SECONDS = 60.0  # for which the pages of a run stay after its end and the last request


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `console`."""
    parser.add_argument(
        "--endpoint",
        metavar="HOST:PORT",
        default=os.environ.get(ENDPOINT_VARIABLE, ""),
        help="service that answers about jobs that were not started here; https://HOST:PORT for TLS "
        f"({ENDPOINT_VARIABLE})",
    )
    parser.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1, 0 picks one (default 0)")
    parser.add_argument("--no-browser", action="store_true", help="print the URL without opening it")
    parser.add_argument(
        "--run",
        dest="shown",
        metavar="RUN",
        default="",
        help="show this run; end when it has ended and its pages are closed",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the pages until Ctrl-C.

    Raises:
        JobNotFoundError: the run that is to be shown was not started here.
    """
    if options.shown:
        history.find_jobs(options.shown)
    place, token = LaptopPlace(options.endpoint), OneToken()
    console = Console(place, Access(token))
    requests = _Requests(console)
    try:
        listening = socket.create_server((_HOST, options.port))
    except OSError as error:
        text = f"can't listen on {_HOST}:{options.port}: {error.strerror}"
        raise ServiceStartError(text) from error
    server = _Server(listening, requests)
    page = f"/jobs?run={options.shown}&" if options.shown else "/jobs?"
    url = f"http://{_HOST}:{server.server_port}/console{page}token={token.value}"
    print(f"console: {url}", file=sys.stderr, flush=True)
    if not options.no_browser:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    if options.shown:
        _let_go_of_output()
        watching = (place, options.shown, requests, server)
        threading.Thread(target=_end_with, args=watching, daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 0


class _Requests:
    """The console below `/console`, and when it was last used."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.last = time.monotonic()
        self.open = 0

    def __call__(self, request: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer a request; the paths are those of a service."""
        self.last = time.monotonic()
        path = str(request["PATH_INFO"])
        is_below = path == "/console" or path.startswith("/console/")
        request["SCRIPT_NAME"] = "/console"
        request["PATH_INFO"] = path.removeprefix("/console") if is_below else path
        self.open += 1
        answer = self._console(request, start)
        try:
            yield from answer
        finally:
            self.open -= 1
            self.last = time.monotonic()
            close = getattr(answer, "close", None)
            if close is not None:
                close()


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, requests: _Requests) -> None:
        super().__init__(listening.getsockname(), _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()
        self.setup_environ()
        self.set_app(requests)


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: Any, **__: Any) -> None:
        """Nothing."""


def _let_go_of_output() -> None:
    """Let readers of the output of `run --console` not wait for this process, which ends later."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123  (a device)
        for number in (1, 2):
            os.dup2(nothing.fileno(), number)


def _end_with(place: LaptopPlace, name: str, requests: _Requests, server: _Server) -> None:
    """End the server when a run has ended and its pages are closed."""
    while place.is_live(name) or requests.open or time.monotonic() - requests.last < _KEPT_SECONDS:
        time.sleep(_LOOK_SECONDS)
    server.shutdown()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to {_LARGEST_PORT}, got {text!r}")
    return int(text)
