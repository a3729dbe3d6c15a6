"""Log lines for pages and downloads; and those that are not in the tail, read once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

from flyte_connectors_console.log_tail import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flyte_connectors_console.job_address import JobAddress
    from flyte_connectors_console.place import Client

LONGEST_LINE = 10_000  # characters on a page; the download has all
STDERR_MARK = "[stderr] "
_STDOUT, _STDERR, _SYSTEM = 0, 1, 2


def line_view(line: LogLine) -> list[Any]:
    """A line as the page takes it: milliseconds since 1970 or 0, where it was written, text."""
    text, source = line.message, _STDOUT
    if line.originator == LogLineOriginator.SYSTEM:
        source = _SYSTEM
    elif text.startswith(STDERR_MARK):
        text, source = text[len(STDERR_MARK) :], _STDERR
    left = len(text) - LONGEST_LINE
    if left > 0:
        text = f"{text[:LONGEST_LINE]}… ({left} more characters: download the log)"
    stamp = line.timestamp
    return [stamp.seconds * 1000 + stamp.nanos // 1_000_000, source, text]


def line_text(line: LogLine) -> str:
    """A line as the download has it, its time before it."""
    stamp = f"{line.timestamp.ToJsonString()} " if line.timestamp.seconds else ""
    return f"{stamp}{line.message}\n"


async def lines_from(client: Client, address: JobAddress, page: Page) -> AsyncIterator[tuple[int, list[LogLine]]]:
    """The lines of a log from a page on to its present end, in batches, each with the number of its first."""
    request = pb.GetTaskLogsRequest(resource_meta=address.meta, task_category=address.category, token=page.token)
    number = page.first
    while True:
        token, before = "", number
        async for item in client.get_logs(request):
            lines = [item] if isinstance(item, LogLine) else list(item.body.lines)
            token = token if isinstance(item, LogLine) else item.header.token or token
            if lines:
                yield number, lines
                number += len(lines)
        if not token or token == request.token or number == before:
            return
        request.token = token
