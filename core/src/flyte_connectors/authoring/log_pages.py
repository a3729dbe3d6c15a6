"""Pages of a log, for `get_logs`: tokens that are positions, and the messages of one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

_DIGITS = 18  # of what fits into 64 bits


def read_log_token(token: str) -> int:
    """The position, of a line or a byte, that a page's token stands for; 0 for the first page.

    A position stays valid as the log grows, so such a token never expires.

    Raises:
        InvalidRequestError: `token` is not a number.
    """
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) <= _DIGITS):
        message = f"{token[:40]!r} is not a page of this log: start again with an empty token"
        raise InvalidRequestError(message, field="token")
    return int(token)


def log_page(lines: Sequence[LogLine | str], following: int | None) -> Iterator[GetTaskLogsResponse]:
    """The messages of one page.

    Args:
        lines: Its lines.
        following: Position at which the next page begins; None after the last page of a job that has ended.
    """
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    if lines:
        entries = [LogLine(message=line) if isinstance(line, str) else line for line in lines]
        yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(lines=entries))
    if following is not None:
        yield GetTaskLogsResponse(header={"token": str(following)})
