"""The end of a job's log, and where its other lines are.

A connector gives out its log from the beginning, page by page. It is read once, and what is kept of it is small: the
last lines, and the token of each page, from which any older line is read again.
"""

from __future__ import annotations

import bisect
import collections
import threading
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

MOST_LINES = 5_000
MOST_BYTES = 1024 * 1024
_MOST_PAGES = 4_096


class Page(NamedTuple):
    """Where a page of the log begins: the number of its first line, and its token."""

    first: int
    token: str


class LogTail:
    """The last lines of a log.

    Attributes:
        total: How many lines have been read.
        lines: The last of them.
        pages: Where pages begin; not of each one, if there are many.
    """

    def __init__(self) -> None:
        self.total = 0
        self.lines: collections.deque[LogLine] = collections.deque()
        self.pages = [Page(0, "")]
        self._bytes = 0
        self._lock = threading.Lock()  # it is filled on an event loop, and read by threads

    @property
    def first(self) -> int:
        """Number of the first line that is kept, counted from 0."""
        return self.total - len(self.lines)

    def add(self, line: LogLine, token: str) -> None:
        """Take the next line, of the page that `token` leads to."""
        with self._lock:
            if token != self.pages[-1].token:
                self._begin(token)
            self.total += 1
            self.lines.append(line)
            self._bytes += len(line.message)
            while len(self.lines) > MOST_LINES or (self._bytes > MOST_BYTES and len(self.lines) > 1):
                self._bytes -= len(self.lines.popleft().message)

    def since(self, number: int, most: int) -> tuple[int, list[LogLine]]:
        """The lines from `number` on, at most the last `most` of them; and the number of the first."""
        with self._lock:
            start = max(number, self.first, self.total - most)
            last = list(islice(reversed(self.lines), max(self.total - start, 0)))  # few, of thousands
            return start, last[::-1]

    def page_of(self, number: int) -> Page:
        """The last known page that begins at line `number` or before it."""
        with self._lock:
            at = bisect.bisect_right(self.pages, number, key=lambda page: page.first)
            return self.pages[at - 1]

    def _begin(self, token: str) -> None:
        if len(self.pages) >= _MOST_PAGES:
            del self.pages[1::2]
        self.pages.append(Page(self.total, token))
