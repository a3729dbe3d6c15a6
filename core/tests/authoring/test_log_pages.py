"""Pages of a log: every line once, and only tokens that pages have ended with."""

from __future__ import annotations

from typing import Any

import pytest
from flyte_connectors.authoring import log_page, read_log_token
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text("ab \n")), st.integers(1, 4))
def test_pages_make_the_whole_log(texts: list[str], size: int) -> None:
    """Followed by their tokens."""
    seen, token = [], ""
    while True:
        start = read_log_token(token)
        end = start + size
        messages = list(log_page(texts[start:end], end if end < len(texts) else None))
        seen += [line.message for message in messages for line in message.body.lines]
        token = "".join(message.header.token for message in messages)
        if not token:
            break
    assert seen == texts


def test_lines_may_have_more_than_a_text() -> None:
    """A time, or who wrote them."""
    line = LogLine(message="killed", originator=LogLineOriginator.SYSTEM)
    (message,) = log_page([line, "text"], None)
    assert list(message.body.lines) == [line, LogLine(message="text")]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), min_size=1),
    st.sampled_from(LogLineOriginator.values()),
)
def test_texts_are_lines_without_a_time(texts: list[str], originator: Any) -> None:
    """The same message, however long they are and whatever they hold."""
    (message,) = log_page(texts, None, originator=originator)
    assert list(message.body.lines) == [LogLine(message=text, originator=originator) for text in texts]


@pytest.mark.parametrize("token", ["-1", "1.5", "x", " 1", "²", "\u0661", "9" * 19, "1" * 10_000])
def test_another_token_is_refused(token: str) -> None:
    """Some page instead would repeat or drop lines."""
    with pytest.raises(InvalidRequestError, match=r"^token: .* is not a page of this log") as caught:
        read_log_token(token)
    assert len(str(caught.value)) < 200
