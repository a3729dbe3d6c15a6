"""Pages of a log, for `get_logs`: tokens that are positions, and the messages of one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

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


def log_page(
    lines: Sequence[LogLine | str], following: int | None, *, originator: LogLineOriginator | None = None
) -> Iterator[GetTaskLogsResponse]:
    """The messages of one page.

    Args:
        lines: Its lines. Texts cost a sixth of what a `LogLine` for each would.
        following: Position at which the next page begins; None after the last page of a job that has ended.
        originator: Who has written the lines that are texts, if that is known.
    """
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    from flyte_connectors.types.wire_format import head, tag_of

    if lines:
        try:
            texts = [*map(str.encode, lines)]  # type: ignore[arg-type]  # most pages have nothing else
        except TypeError:
            entries = [
                LogLine(message=line, originator=originator) if isinstance(line, str) else line for line in lines
            ]
            yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(lines=entries))
        else:
            sizes = [*map(len, texts)]
            before = {size: _before(size, originator) for size in {*sizes}}
            body = b"".join(chain.from_iterable(zip(map(before.__getitem__, sizes), texts, strict=True)))
            yield GetTaskLogsResponse.FromString(head(tag_of(GetTaskLogsResponse, "body"), len(body)) + body)
    if following is not None:
        yield GetTaskLogsResponse(header={"token": str(following)})


@lru_cache(maxsize=4096)
def _before(length: int, originator: LogLineOriginator | None) -> bytes:
    """What precedes a text of so many bytes that is a line of a body."""
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponseBody
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    from flyte_connectors.types.wire_format import head, tag_of

    line = LogLine(originator=originator).SerializeToString() + head(tag_of(LogLine, "message"), length)
    return head(tag_of(GetTaskLogsResponseBody, "lines"), len(line) + length) + line
