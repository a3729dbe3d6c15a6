"""Following a log: every line once, in order, whatever breaks off in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_jobs import logs_request
from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.errors import (
    ConnectorError,
    InternalError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from hypothesis import given
from hypothesis import strategies as st


class Log:
    """A log in pages, whose reads break off.

    Args:
        pages: The lines of each page.
        breaks: After how many messages each read breaks off; once they are used up, none does.
        bare: Whether lines come as bare messages, and no tokens.
    """

    def __init__(
        self,
        pages: list[list[str]],
        breaks: list[int],
        error: ConnectorError,
        *,
        bare: bool = False,
    ) -> None:
        self.pages = [[line for page in pages for line in page]] if bare else pages
        self.breaks = list(breaks)
        self.error = error
        self.bare = bare

    async def read(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[object]:
        """One page."""
        number = int(request.token or 0)
        messages: list[object] = [LogLine(message=line) for line in self.pages[number]]
        if not self.bare:
            body = pb.GetTaskLogsResponse
            messages = [body(body={"lines": [line]}) for line in messages]
            if number + 1 < len(self.pages):
                messages.append(body(header={"token": str(number + 1)}))
        left = self.breaks.pop(0) if self.breaks else len(messages) + 1
        for message in messages:
            if left == 0:
                break
            yield message
            left -= 1
        if left == 0:
            raise self.error


async def follow(log: Log, *, has_ended: bool = True) -> list[str]:
    """The lines that are emitted."""
    lines: list[str] = []
    ended = asyncio.Event()
    request = logs_request(b"{}")
    emit = lambda line: lines.append(line.message)  # noqa: E731
    following = asyncio.ensure_future(follow_logs(log.read, request, emit, ended, longest_poll=0.01))
    if not has_ended:
        await asyncio.sleep(0.05)
    ended.set()
    await asyncio.wait_for(following, 20)
    return lines


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=3), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), max_size=2),
    st.booleans(),
    st.booleans(),
    st.sampled_from([ServiceUnavailableError("away"), InternalError("bug")]),
)
def test_no_line_is_lost_or_doubled(
    pages: list[list[str]],
    breaks: list[int],
    bare: bool,
    has_ended: bool,
    error: ConnectorError,
) -> None:
    """Wherever reads break off, with and without tokens, before and after the job's end."""
    log = Log(pages, breaks, error, bare=bare)
    lines = asyncio.run(follow(log, has_ended=has_ended))
    assert lines == [line for page in pages for line in page]


async def test_an_error_that_does_not_pass_ends_it() -> None:
    """At once."""
    log = Log([["a"]], [0], PermissionDeniedError("not yours"))
    with pytest.raises(PermissionDeniedError):
        await follow(log, has_ended=False)


async def test_a_fault_is_told_to_who_waits() -> None:
    """With the error."""
    log = Log([["a"]], [0], ServiceUnavailableError("away"))
    told: list[str] = []
    ended = asyncio.Event()
    ended.set()
    await follow_logs(
        log.read,
        logs_request(b"{}"),
        lambda _: None,
        ended,
        waiting=lambda error, _: told.append(error.message),
    )
    assert told == ["away"]
