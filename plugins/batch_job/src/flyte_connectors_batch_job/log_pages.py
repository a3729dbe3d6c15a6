"""A page of a job's log as Flyte's log messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl2.connector.connector_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
)
from flyteidl2.logs.dataplane.payload_pb2 import LogLineOriginator

from flyte_connectors_batch_job.backends.interface import STDERR, STDOUT, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flyte_connectors_batch_job.backends.interface import LogRecord

STDERR_MARK = "[stderr] "

_SOURCES = {
    STDOUT: ("", LogLineOriginator.USER),
    STDERR: (STDERR_MARK, LogLineOriginator.USER),
    SYSTEM: ("", LogLineOriginator.SYSTEM),
}
_MICROSECONDS = 1_000_000


def messages(page: Iterable[Sequence[LogRecord] | str]) -> Iterator[GetTaskLogsResponse]:
    """The batches of lines and the token of a page, as `BatchBackend.log` yields them."""
    for part in page:
        if isinstance(part, str):
            yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=part))
        else:
            yield GetTaskLogsResponse(body=_body(part))


def _body(records: Sequence[LogRecord]) -> GetTaskLogsResponseBody:
    body = GetTaskLogsResponseBody()
    add = body.lines.add
    for microseconds, source, text in records:
        seconds, rest = divmod(microseconds, _MICROSECONDS)
        mark, originator = _SOURCES[source]
        line = add(message=mark + text.decode(errors="replace"), originator=originator)
        if not microseconds:  # it is not known when the line was written
            continue
        timestamp = line.timestamp  # filling this one costs half of making another
        timestamp.seconds = seconds
        timestamp.nanos = rest * 1000
    return body
