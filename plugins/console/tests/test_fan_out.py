"""What is sent to pages beside their own threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from flyte_connectors_console.fan_out import FanOut, Page, connection_of


class Counting:
    """News that are numbered lines."""

    def __init__(self, size: int = 1) -> None:
        self.size, self.number, self.waiting = size, 0, 0

    def add(self, lines: int = 1) -> None:
        """There are more."""
        self.waiting += lines

    def take(self) -> bytes:
        """All that there are by now."""
        lines = range(self.number, self.number + self.waiting)
        self.number, self.waiting = lines.stop, 0
        return b"".join(b"%d".ljust(self.size, b".") % line + b"\n" for line in lines)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """That of the service, and that of the browser."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def numbers(data: bytes) -> list[int]:
    return [int(line.partition(b".")[0]) for line in data.splitlines()]


def test_a_page_that_has_everything_is_written_to(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Its own thread goes on sleeping."""
    ours, theirs = ends
    news = Counting()
    news.add()
    page = Page(news.take, ours)
    assert page.push()  # its own thread has not sent the first
    page.woken.clear()
    assert numbers(page.take()) == [0]
    assert page.take() == b""
    news.add(2)
    assert not page.push()
    assert not page.woken.is_set()
    assert numbers(theirs.recv(100)) == [1, 2]
    page.ping()
    assert theirs.recv(100) == b": ping\n\n"


def test_a_page_that_takes_no_more_holds_up_nobody(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Its own thread sends the rest, in order, and nothing is lost or doubled."""
    ours, theirs = ends
    news = Counting(size=10_000)
    page = Page(news.take, ours)
    assert page.take() == b""
    began = time.monotonic()
    while not page.woken.is_set():
        news.add()
        page.push()
    for _ in range(3):
        news.add()
        assert page.push()
    assert time.monotonic() - began < 5
    received = bytearray()

    def read() -> None:
        while data := theirs.recv(100_000):
            received.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    while data := page.take():
        ours.sendall(data)
    news.add()
    assert not page.push()
    ours.shutdown(socket.SHUT_WR)
    reader.join(5)
    assert numbers(bytes(received)) == list(range(news.number))


def test_a_browser_that_has_left_is_noticed_by_its_own_thread(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Which fails as it writes, and ends."""
    ours, theirs = ends
    news = Counting()
    page = Page(news.take, ours)
    assert page.take() == b""
    theirs.close()
    news.add()
    assert page.push()
    assert page.woken.is_set()
    data = page.take()
    assert numbers(data) == [0]
    with pytest.raises(OSError, match="Broken pipe"):
        ours.sendall(data)


def test_pages_without_a_connection_are_woken(ends: tuple[socket.socket, socket.socket]) -> None:
    """As those over TLS; the others are written to in the meantime."""
    news = [Counting() for _ in range(20)]
    pages = [Page(one.take, None) for one in news]
    direct = Page((own := Counting()).take, ends[0])
    for page in (*pages, direct):
        assert page.take() == b""

    class Watched:
        is_over = False

        def pages(self) -> list[Page]:
            return [*pages, direct]

    for one in (*news, own):
        one.add()
    FanOut().notify(Watched())
    assert numbers(ends[1].recv(100)) == [0]
    assert all(page.woken.wait(5) for page in pages)
    assert [numbers(page.take()) for page in pages] == [[0]] * 20


def test_an_encrypted_connection_is_not_written_to() -> None:
    """Nor one that is no socket."""
    one, other = socket.socketpair()
    with one, other, one.makefile("rb") as file:
        assert connection_of({"wsgi.url_scheme": "https", "wsgi.input": file}) is None
        found = connection_of({"wsgi.url_scheme": "http", "wsgi.input": file})
        assert found is not None
        found.close()
    assert connection_of({"wsgi.url_scheme": "http", "wsgi.input": object()}) is None
