"""No value in a request leads it elsewhere than to its endpoint. The check: a listener that must not be contacted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from escapes import HOSTS, endpoints, links, parts
from flyte_connectors.endpoints import VARIABLE
from flyte_connectors.errors import ConnectorError, InvalidRequestError, PermissionDeniedError
from flyte_connectors.http import Client, Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

BASE = "/v1/jobs"


class Listener:
    """Counts who connects, in IPv4 and, where the system has it, in IPv6."""

    def __init__(self) -> None:
        self.contacts = 0
        first = socket.create_server(("127.0.0.1", 0))
        self.port = first.getsockname()[1]
        self._sockets = [first]
        with contextlib.suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listening in self._sockets:
            threading.Thread(target=self._count, args=(listening,), daemon=True).start()

    def _count(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.contacts += 1
            connection.close()

    def close(self) -> None:
        for listening in self._sockets:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()


class Allowed(ThreadingHTTPServer):
    """The endpoint that was allowed; records what it is asked, and redirects where it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{BASE}"
        self.asked: list[tuple[str, list[str] | None]] = []
        self.location: str | None = None
        threading.Thread(target=self.serve_forever, args=(0.01,)).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply is one packet, so that no acknowledgement is waited for
    server: Allowed

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get_all("host")))
        location = self.server.location
        self.send_response(302 if location else 200)
        if location:
            # As bytes, for a server may send anything.
            text = location.translate(dict.fromkeys(map(ord, "\r\n\0")))
            self._headers_buffer.append(b"Location: " + text.encode("utf-8", "replace") + b"\r\n")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.close()


@pytest.fixture(scope="module")
def allowed() -> Iterator[Allowed]:
    running = Allowed()
    yield running
    running.shutdown()
    running.server_close()


def attempt(calls: Sequence[Callable[[], Awaitable[object]]]) -> list[Exception | None]:
    """Make each call on one event loop; an error of ours is the only one that may come of it."""

    async def every() -> list[Exception | None]:
        errors: list[Exception | None] = []
        for call in calls:
            try:
                await call()
                errors.append(None)
            except ConnectorError as error:
                errors.append(error)
        return errors

    return asyncio.run(every())


def check(listener: Listener, allowed: Allowed) -> None:
    """Nobody was led away, and the endpoint saw requests below its path only."""
    assert listener.contacts == 0
    for path, hosts in allowed.asked:
        assert path.partition("?")[0] == BASE or path.startswith(f"{BASE}/"), path
        assert hosts == [f"127.0.0.1:{allowed.server_port}"]
    allowed.asked.clear()


slow = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(data=st.data())
def test_no_part_of_a_path_leads_away(data: st.DataObject, listener: Listener, allowed: Allowed) -> None:
    """Ids and paths, whatever is in them; a part that is sent stays one part."""
    values = data.draw(st.lists(parts(listener.port), min_size=10, max_size=30))
    client = Client(allowed.url, field="f", trusted=True)
    errors = attempt([lambda value=value: client.get(value, "log") for value in values])
    sent = sum(error is None for error in errors)
    assert len(allowed.asked) == sent
    for path, _ in allowed.asked:
        assert path.count("/") == BASE.count("/") + 2
    check(listener, allowed)


@slow
@given(data=st.data())
def test_no_link_of_a_reply_leads_away(data: st.DataObject, listener: Listener, allowed: Allowed) -> None:
    """Such as the one to the next page."""
    drawn = st.lists(links(listener.port, allowed.url), min_size=10, max_size=30)
    client = Client(allowed.url, field="f", trusted=True)
    attempt([lambda value=value: client.follow(value) for value in data.draw(drawn)])
    check(listener, allowed)


@slow
@given(data=st.data())
def test_no_redirect_leads_away(data: st.DataObject, listener: Listener, allowed: Allowed) -> None:
    """Where redirects are followed at all, each hop is checked."""
    client = Client(allowed.url, field="f", trusted=True, limits=Limits(redirects=3))
    for value in data.draw(st.lists(links(listener.port, allowed.url), min_size=5, max_size=10)):
        allowed.location = value
        try:
            attempt([client.get])
        finally:
            allowed.location = None
    check(listener, allowed)


@slow
@given(data=st.data())
@pytest.mark.parametrize("listed", [None, "", "good.example.org,*.example.org", "127.0.0.1:ALLOWED"])
def test_no_endpoint_leads_to_what_is_not_listed(
    data: st.DataObject, listed: str | None, listener: Listener, allowed: Allowed
) -> None:
    """Neither under any spelling of loopback, nor with a user, nor behind what clients cut off."""
    changed = {} if listed is None else {VARIABLE: listed.replace("ALLOWED", str(allowed.server_port))}
    drawn = data.draw(st.lists(endpoints(listener.port), min_size=10, max_size=30))

    async def call(value: str) -> object:
        # Names are not resolved elsewhere: only what leads to this machine is of interest here.
        with mock.patch.object(asyncio.get_running_loop(), "getaddrinfo", local_addresses):
            return await Client(value, field="f", limits=Limits(connect_seconds=0.5)).get("a")

    with mock.patch.dict("os.environ", changed):
        errors = attempt([lambda value=value: call(value) for value in drawn])
    assert all(isinstance(error, ConnectorError) for error in errors)
    check(listener, allowed)


async def local_addresses(host: str, port: int, **_: Any) -> list[Any]:
    """What a resolver answers that knows nothing but this machine."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize("host", HOSTS)
def test_each_spelling_of_loopback_is_refused(host: str, listener: Listener) -> None:
    """By the error that a user can act on."""
    with pytest.raises((PermissionDeniedError, InvalidRequestError)):
        Client(f"http://{host}:{listener.port}", field="f")
    assert listener.contacts == 0
