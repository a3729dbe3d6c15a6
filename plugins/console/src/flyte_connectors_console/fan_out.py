"""Sends what is new about jobs to the pages that show them.

Each page has a thread of the HTTP server, which waits. To wake hundreds of them for each line of a log would have them
compete with the event loop that serves gRPC. So a single thread writes to the connections of all pages, without waiting
for any. A page whose connection takes no more, or is encrypted, is left to its own thread.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_WOKEN_AT_ONCE, _BETWEEN = 8, 0.004  # threads, seconds: so that the event loop runs in between


class Watched(Protocol):
    """What pages show."""

    is_over: bool

    def pages(self) -> Iterable[Page]:
        """Those that show it."""
        ...


class Page:
    """An open page.

    Args:
        news: What the page does not have so far, as bytes; counts as sent when it is called.
        connection: That of the page; None if only its own thread can write to it.

    Attributes:
        woken: Set when there is something to do for its own thread.
    """

    def __init__(self, news: Callable[[], bytes], connection: socket.socket | None) -> None:
        self.woken = threading.Event()
        self._news = news
        self._connection = connection
        self._lock = threading.Lock()
        self._rest = b""
        self._is_sent_for = False  # the thread of all pages writes, and its own must not

    def push(self) -> bool:
        """Send what is new, without waiting; whether its own thread was woken instead."""
        with self._lock:
            if not self._is_sent_for:
                self.woken.set()
                return True
            return self._send(self._news())

    def take(self) -> bytes:
        """What its own thread is to send now; if that is nothing, all is sent for it from now on."""
        with self._lock:
            data, self._rest = self._rest + self._news(), b""
            self._is_sent_for = self._connection is not None and not data
            return data

    def ping(self) -> None:
        """Find out whether the page is still there; its own thread learns it."""
        with self._lock:
            if self._is_sent_for:
                self._send(b": ping\n\n")
            else:
                self._rest += b": ping\n\n"
                self.woken.set()

    def close(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._is_sent_for = False
            if self._connection is not None:
                self._connection.close()

    def _send(self, data: bytes) -> bool:
        if not data or self._connection is None:
            return False
        try:
            sent = self._connection.send(data, socket.MSG_DONTWAIT)
        except OSError:  # it takes no more, or the browser has left
            sent = 0
        if sent == len(data):
            return False
        self._rest, self._is_sent_for = data[sent:], False
        self.woken.set()
        return True


class FanOut:
    """The thread that writes to pages; it begins with the first news."""

    def __init__(self) -> None:
        self._changed: queue.SimpleQueue[Watched] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def notify(self, watched: Watched) -> None:
        """Send the pages of something that has changed what is new."""
        self._changed.put(watched)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="pages", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            watched = self._changed.get()
            is_over, woken = watched.is_over, 0
            for page in watched.pages():
                woken += page.push()
                if is_over:
                    page.woken.set()
                if woken >= _WOKEN_AT_ONCE:
                    woken = 0
                    time.sleep(_BETWEEN)


def connection_of(environ: Mapping[str, Any]) -> socket.socket | None:
    """The connection of a WSGI request, to write to beside its server; None if that is encrypted, or not known."""
    if environ.get("wsgi.url_scheme") != "http":
        return None
    try:
        # A duplicate: the server closes its own, and the number may then be another connection's.
        return socket.fromfd(environ["wsgi.input"].fileno(), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError, AttributeError):
        return None
