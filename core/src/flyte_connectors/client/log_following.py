"""Follow a job's log, page by page, until the job has ended and all its lines are out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors._calls.retries import Retrying, Waiting, growing_pause
from flyte_connectors.errors import ConnectorError

Emit = Callable[[LogLine], None]
Read = Callable[[pb.GetTaskLogsRequest], AsyncIterator[Any]]


_LONGEST_LAST_LINES = 60.0  # seconds for what a log still holds when its job has ended
_MOST_EMPTY_PAGES = 20  # in a row; some vendors' pages are empty long before the end


@dataclasses.dataclass
class _Page:
    """How far the page that `request.token` names has been read.

    A page that is read again, because its stream broke off or because the log gave no token to go on
    from, is emitted from where it had come to.
    """

    request: pb.GetTaskLogsRequest
    emitted: int = 0
    is_new: bool = False

    async def read(self, read: Read, emit: Emit) -> bool:
        """Emit the new lines; return whether there is another page."""
        lines, token = 0, ""
        async for item in read(self.request):
            for line in (item,) if isinstance(item, LogLine) else item.body.lines:
                lines += 1
                if lines > self.emitted:
                    self.emitted = lines
                    self.is_new = True
                    emit(line)
            token = token if isinstance(item, LogLine) else item.header.token or token
        if not token or token == self.request.token:
            return False
        self.request.token, self.emitted = token, 0
        return True


async def follow_logs(  # noqa: PLR0913  (where from, where to, and how long)
    read: Read,
    request: pb.GetTaskLogsRequest,
    emit: Emit,
    ended: asyncio.Event,
    *,
    longest_poll: float = 3.0,
    waiting: Waiting | None = None,
) -> None:
    """Emit a job's log lines as they appear, each once, until it has ended and all are out.

    Transient errors are retried: without limit while the job runs, then for a minute.

    Args:
        read: Reads one page; yields `GetTaskLogsResponse` or `LogLine` messages.
        request: Which job; its token moves on with each page.
        emit: Called with each line.
        ended: Set when the job has ended.
        longest_poll: Longest pause between two pages, in seconds.
        waiting: Called with each error before a retry, and the seconds until it.

    Raises:
        ConnectorError: the log can't be read, and trying again would not help.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    page = _Page(request)
    empty = 0
    while True:
        last = ended.is_set()
        page.is_new = False
        has_next = await _read_with_retries(page, read, emit, ended, waiting)
        empty = 0 if page.is_new else empty + 1
        if last and (not has_next or empty > _MOST_EMPTY_PAGES):
            return
        if not page.is_new:
            pause = growing_pause(loop.time() - started, longest_poll)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)


async def _read_with_retries(
    page: _Page, read: Read, emit: Emit, ended: asyncio.Event, waiting: Waiting | None
) -> bool:
    def before_retry(error: ConnectorError, seconds: float) -> None:
        if ended.is_set():
            retrying.shorten(_LONGEST_LAST_LINES)
        if waiting is not None:
            waiting(error, seconds)

    retrying = Retrying(_LONGEST_LAST_LINES if ended.is_set() else math.inf, before_retry)
    return await retrying.call(lambda: page.read(read, emit))


class LogFollower:
    """Reads a job's log beside the polling of its state; see `follow_logs`."""

    def __init__(self, read: Read, request: pb.GetTaskLogsRequest, emit: Emit) -> None:
        self._ended = asyncio.Event()
        following = follow_logs(read, request, emit, self._ended)
        self._following = asyncio.ensure_future(following)

    async def last_lines(self) -> None:
        """Return when all is read; errors of the log are ignored."""
        self._ended.set()
        with contextlib.suppress(ConnectorError, asyncio.TimeoutError):
            await asyncio.wait_for(self._following, _LONGEST_LAST_LINES)

    def stop(self) -> None:
        """Read no further."""
        self._following.cancel()
