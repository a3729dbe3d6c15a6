"""A proxy between the vendor's client and the server, which counts the calls and injects faults.

It fixes two differences between the emulator and BigQuery: of several concurrent inserts of one
job id two succeed, so inserts are forwarded one at a time; and masks are ignored, so they are applied
here, see `partial`. A `Fault` is asked for every call before it is
forwarded; the first that wants the call has it.

    with proxy.running(emulator.url) as proxy, proxy.fronting() as front:
        front.faults.append(Fault(lost_reply, method="POST", times=1))
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import random
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bed.discovery import job_of
from bed.partial import masked

INSERT = re.compile(r"/projects/[^/]+/jobs(\?|$)")
HANG_SECONDS = 30.0


@dataclass(frozen=True)
class Call:
    """One call of the vendor's client."""

    method: str
    path: str

    @property
    def inserts(self) -> bool:
        """Whether the call starts a job."""
        return self.method == "POST" and INSERT.search(self.path) is not None


@dataclass(frozen=True)
class Reply:
    """What the client gets to see."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Trouble = Callable[["_Handler", Callable[[], Reply]], Reply | None]
"""Takes the handler and the way to forward the call; returns the reply, or None for none at all."""


def lost_reply(_handler: _Handler, forward: Callable[[], Reply]) -> None:
    """The server does what it was asked; the client never learns."""
    forward()


def reset(handler: _Handler, _forward: Callable[[], Reply]) -> None:
    """The connection is reset before the server sees the call."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(handler: _Handler, _forward: Callable[[], Reply]) -> None:
    """No answer until the client gives up or the proxy stops."""
    handler.front.stopping.wait(HANG_SECONDS)


def endless(change: Callable[[Any], None], seconds: float) -> Trouble:
    """A job that stays as `change` makes it, told after about `seconds`.

    The server is asked once for each path.
    """
    replies: dict[str, Reply] = {}

    def running(handler: _Handler, forward: Callable[[], Reply]) -> Reply:
        if handler.path not in replies:
            reply = forward()
            body = json.loads(reply.body)
            change(body)
            replies[handler.path] = Reply(reply.status, json.dumps(body).encode())
        handler.front.stopping.wait(seconds * random.uniform(0.5, 1.5))
        return replies[handler.path]

    return running


def answer(status: int, reason: str, message: str) -> Trouble:
    """An error in BigQuery's form instead of the server's answer."""
    error = {"reason": reason, "message": message, "domain": "global"}
    body = {"error": {"code": status, "message": message, "errors": [error]}}
    return lambda _handler, _forward: Reply(status, json.dumps(body).encode())


def rewrite(change: Callable[[Any], None]) -> Trouble:
    """The server's answer, its JSON changed in place by `change`."""

    def rewritten(_handler: _Handler, forward: Callable[[], Reply]) -> Reply:
        reply = forward()
        body = json.loads(reply.body)
        change(body)
        return Reply(reply.status, json.dumps(body).encode())

    return rewritten


RATE_LIMITED = answer(403, "rateLimitExceeded", "Exceeded rate limits: too many api requests")
TOO_MANY = answer(429, "rateLimitExceeded", "Exceeded rate limits")
UNAVAILABLE = answer(503, "backendError", "Error encountered during execution. Retrying may help.")


@dataclass
class Fault:
    """Trouble for some of the calls.

    Args:
        trouble: What happens to them.
        method: Only calls with this HTTP method.
        path: Only calls whose path has this regular expression in it.
        times: How many calls; None for all.
        every: Only each n-th of these calls.
    """

    trouble: Trouble
    method: str = ""
    path: str = ""
    times: int | None = None
    every: int = 1
    seen: int = 0

    def takes(self, call: Call) -> bool:
        """Whether this call is to be troubled; counts it if so."""
        if self.times == 0 or (self.method and self.method != call.method):
            return False
        if not re.search(self.path, call.path):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Front:
    """The running proxy: its address, the calls and jobs it has seen, and the faults to come."""

    url: str = ""
    faults: deque[Fault] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    inserting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """HOST:PORT."""
        return urlsplit(self.url).netloc

    def count(self, method: str = "", path: str = "") -> int:
        """How many calls with this method and with `path` in their path came in."""
        return sum(method in call.method and path in call.path for call in self.calls)

    def fault_for(self, call: Call) -> Trouble | None:
        """What is to happen to `call`, None for nothing."""
        with self.lock:
            self.calls.append(call)
            return next((fault.trouble for fault in self.faults if fault.takes(call)), None)


class Proxy(ThreadingHTTPServer):
    """The server of a session, which has a `Front` for each test."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    front: Front

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc

    @contextlib.contextmanager
    def fronting(self) -> Iterator[Front]:
        """A new front; calls that hang end with it."""
        self.front = Front(f"http://127.0.0.1:{self.server_port}")
        try:
            yield self.front
        finally:
            self.front.stopping.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is part of the tests."""


@contextlib.contextmanager
def running(upstream: str) -> Iterator[Proxy]:
    """Run a proxy for the server at `upstream`, a URL."""
    with Proxy(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy
    front: Front
    body: bytes

    def _serve(self) -> None:
        self.front = self.server.front
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path)
        if call.inserts:
            self.front.jobs.append(job_of(self.body, self.headers.get("Content-Type") or ""))
        trouble = self.front.fault_for(call)

        def forward() -> Reply:
            with self.front.inserting if call.inserts else contextlib.nullcontext():
                return self._forward()

        reply = trouble(self, forward) if trouble else forward()
        if reply is None:
            self.close_connection = True
            return
        reply = _partial(reply, self.path)
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers:
            self.send_header(name, value.replace(self.server.upstream, self.front.host))
        self.end_headers()
        self.wfile.write(reply.body)

    def _forward(self) -> Reply:
        with contextlib.closing(http.client.HTTPConnection(self.server.upstream)) as server:
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"host", "accept-encoding", "connection"}
            }
            server.request(self.command, self.path, self.body, headers)
            response = server.getresponse()
            kept = [(name, response.getheader(name)) for name in ("Location", "Range")]
            headers = tuple((name, value) for name, value in kept if value is not None)
            return Reply(response.status, response.read(), headers)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Silent: `Front.calls` is the log."""


@functools.lru_cache(maxsize=64)
def _partial(reply: Reply, path: str) -> Reply:
    fields = parse_qs(urlsplit(path).query).get("fields")
    if not fields or reply.status != HTTPStatus.OK:
        return reply
    return Reply(reply.status, json.dumps(masked(json.loads(reply.body), fields[0])).encode())
