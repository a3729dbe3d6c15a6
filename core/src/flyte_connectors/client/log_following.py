"""Follow a job's log, page by page, until the job has ended and all its lines are out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors._calls.retries import GrowingPause
from flyte_connectors.errors import ConnectorError

Emit = Callable[[LogLine], None]
Read = Callable[[pb.GetTaskLogsRequest], AsyncIterator[Any]]

_LONGEST_LAST_LINES = 60.0  # seconds for what a log still holds when its job has ended


@dataclasses.dataclass
class _Page:
    """How far the page that `request.token` names has been read.

    A page that is read again, because its stream broke off or because the log gave no token to go on
    from, is emitted from where it had come to.
    """

    request: pb.GetTaskLogsRequest
    emitted: int = 0

    async def read(self, read: Read, emit: Emit, *, last: bool) -> tuple[bool, bool]:
        """Emit what is new; tells whether anything was, and whether there is a next page."""
        lines, token = 0, ""
        try:
            async for item in read(self.request):
                for line in (item,) if isinstance(item, LogLine) else item.body.lines:
                    lines += 1
                    if lines > self.emitted:
                        emit(line)
                token = token if isinstance(item, LogLine) else item.header.token or token
        except ConnectorError as error:
            if not error.retryable or last:
                raise
        is_new = lines > self.emitted
        self.emitted = max(lines, self.emitted)
        if token and token != self.request.token:
            self.request.token, self.emitted = token, 0
        return is_new, bool(token)


async def follow_logs(
    read: Read,
    request: pb.GetTaskLogsRequest,
    emit: Emit,
    ended: asyncio.Event,
    longest_poll: float = 3.0,
) -> None:
    """Emit a job's log lines as they appear, until it has ended and all are out.

    Args:
        read: Reads one page; yields `GetTaskLogsResponse` or `LogLine` messages.
        request: Which job; its token moves on with each page.
        emit: Called with each line.
        ended: Set when the job has ended.
        longest_poll: Longest pause between two pages, in seconds.

    Raises:
        ConnectorError: the log can't be read, and trying again would not help.
    """
    pause = GrowingPause(longest_poll)
    page = _Page(request)
    while True:
        last = ended.is_set()
        is_new, has_next = await page.read(read, emit, last=last)
        if last and not (is_new and has_next):
            return
        if not is_new:
            await pause.unless(ended)


class LogFollower:
    """Reads a job's log beside the polling of its state; see `follow_logs`."""

    def __init__(self, read: Read, request: pb.GetTaskLogsRequest, emit: Emit) -> None:
        self._ended = asyncio.Event()
        following = follow_logs(read, request, emit, self._ended)
        self._following = asyncio.ensure_future(following)

    async def last_lines(self) -> None:
        """Return when all is read; the job has run, whatever its log is like."""
        self._ended.set()
        with contextlib.suppress(ConnectorError, asyncio.TimeoutError):
            await asyncio.wait_for(self._following, _LONGEST_LAST_LINES)

    def stop(self) -> None:
        """Read no further."""
        self._following.cancel()
