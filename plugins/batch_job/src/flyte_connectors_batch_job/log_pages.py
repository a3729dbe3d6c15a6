"""A job's log as pages of Flyte's log messages.

A page token is the byte offset of the page's first line in the log file, which only grows: tokens
never expire. A page ends with a token for as long as there are, or may yet come, more lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors.authoring import read_log_token
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.connector.connector_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
)
from flyteidl2.logs.dataplane.payload_pb2 import LogLineOriginator

from flyte_connectors_batch_job.backends.local import log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_connectors_batch_job.backends.local.job import Job

PAGE_LINES = 10_000
MESSAGE_LINES = 1_000
STDERR_MARK = "[stderr] "

_SOURCES = {
    log.STDOUT: ("", LogLineOriginator.USER),
    log.STDERR: (STDERR_MARK, LogLineOriginator.USER),
    log.SUPERVISOR: ("", LogLineOriginator.SYSTEM),
}
_MICROSECONDS = 1_000_000


def page(job: Job, token: str, lines: int) -> Iterator[GetTaskLogsResponse]:
    """One page of the log: lines, then the next page's token.

    Args:
        job: The job.
        token: Empty for the first page, else the token that the page before ended with.
        lines: Most lines wanted, up to `PAGE_LINES`; 0 for that many.

    Raises:
        InvalidRequestError: `token` is not one that this log gave out.
    """
    path = job.file("log")
    offset = _offset(path, token)
    may_grow = job.may_log()  # asked before reading: then no line can be missed
    wanted = min(lines, PAGE_LINES) if lines > 0 else PAGE_LINES
    while wanted:
        records, offset = log.read(path, offset, min(wanted, MESSAGE_LINES))
        if not records:
            break
        wanted -= len(records)
        yield GetTaskLogsResponse(body=_body(records))
    if may_grow or log.read(path, offset, 1)[0]:
        yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=str(offset)))


def _offset(path: str, token: str) -> int:
    offset = read_log_token(token)
    if offset and not log.is_line_start(path, offset):
        message = f"'{token}' is not a page of this log: start again with an empty token"
        raise InvalidRequestError(message, field="token")
    return offset


def _body(records: list[tuple[int, bytes, bytes]]) -> GetTaskLogsResponseBody:
    body = GetTaskLogsResponseBody()
    add = body.lines.add
    for microseconds, source, text in records:
        seconds, rest = divmod(microseconds, _MICROSECONDS)
        mark, originator = _SOURCES[source]
        line = add(message=mark + text.decode(errors="replace"), originator=originator)
        if not microseconds:  # not a line of the supervisor's
            continue
        timestamp = line.timestamp  # filling this one costs half of making another
        timestamp.seconds = seconds
        timestamp.nanos = rest * 1000
    return body
