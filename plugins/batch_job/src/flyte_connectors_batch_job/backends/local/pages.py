"""Pages of a log: of a job's, or of those of an array's jobs, one after the other.

A page token is the byte offset of the page's first line in the log file, which only grows: tokens never expire.
That of an array has the index before it, such as `3.4096`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors.authoring import read_log_token
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.backends.local import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flyte_connectors_batch_job.backends.interface import LogRecord
    from flyte_connectors_batch_job.backends.local.job import Job

PAGE_LINES = 10_000
MESSAGE_LINES = 1_000


def page(job: Job, token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
    """One page of a job's log, as `BatchBackend.log` yields it.

    It ends with a token for as long as there are, or may yet come, more lines.
    """
    path = job.file("log")
    offset = _checked(path, read_log_token(token), token)
    may_grow = job.may_log()  # asked before reading: then no line can be missed
    wanted = _wanted(lines)
    stop = offset + log.SKIP_BYTES
    while wanted and offset < stop:
        records, offset = log.read(path, offset, min(wanted, MESSAGE_LINES))
        if not records:
            break
        wanted -= len(records)
        yield records
    if may_grow or log.read(path, offset, 1)[0]:
        yield str(offset)


def page_of_array(jobs: Sequence[Job], token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
    """One page of the log of an array, each line with its index; that of a job that runs holds up those behind it."""
    first, _, position = token.partition(".")
    index, offset = read_log_token(first), read_log_token(position)
    if index >= len(jobs) or bool(first) != bool(position):
        raise _no_page(token)
    _checked(jobs[index].file("log"), offset, token)
    wanted = _wanted(lines)
    skipped = 0
    while wanted and skipped < log.SKIP_BYTES:
        may_grow = jobs[index].may_log()  # asked before reading
        records, end = log.read(jobs[index].file("log"), offset, min(wanted, MESSAGE_LINES))
        skipped, offset = skipped + end - offset, end
        if records:
            wanted -= len(records)
            mark = b"[%d] " % index
            yield [(at, source, mark + text) for at, source, text in records]
        elif may_grow:
            break
        elif index + 1 == len(jobs):
            return
        else:
            index, offset = index + 1, 0
    yield f"{index}.{offset}"


def _wanted(lines: int) -> int:
    return min(lines, PAGE_LINES) if lines > 0 else PAGE_LINES


def _checked(path: str, offset: int, token: str) -> int:
    if offset and not log.is_line_start(path, offset):
        raise _no_page(token)
    return offset


def _no_page(token: str) -> InvalidRequestError:
    return InvalidRequestError(f"'{token}' is not a page of this log: start again with an empty token", field="token")
