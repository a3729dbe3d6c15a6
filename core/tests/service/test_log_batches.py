"""Log items become messages: all lines, in order, in few messages that are not too large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyte_connectors.errors import InternalError, ServiceUnavailableError
from flyte_connectors.service import log_batches
from flyte_connectors.service.log_batches import log_messages
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from hypothesis import given
from hypothesis import strategies as st

LIMIT = 2000  # bytes, for the tests
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LINES = st.builds(LogLine, message=TEXT)
PAGES = st.builds(
    lambda lines: GetTaskLogsResponse(body={"lines": lines}),
    st.lists(LINES, min_size=1, max_size=30),
)
HEADERS = st.builds(lambda token: GetTaskLogsResponse(header={"token": token}), TEXT.filter(bool))
ITEMS = st.lists(LINES | PAGES | HEADERS, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def _small_messages() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_batches, "HARD_LIMIT", LIMIT)
        patch.setattr(log_batches, "SOFT_LIMIT", LIMIT // 4)
        yield


async def _yield(items: list[Any], pause: bool = False) -> AsyncIterator[Any]:
    for item in items:
        yield item
        if pause:
            await asyncio.sleep(0)


async def messages(items: AsyncIterator[Any]) -> list[bytes]:
    return [message async for message in log_messages(items)]


def content(responses: list[GetTaskLogsResponse | LogLine]) -> list[str]:
    """Lines and tokens in their order."""
    found = []
    for item in responses:
        if isinstance(item, LogLine):
            found.append(f"line {item.message}")
        elif item.HasField("header"):
            found.append(f"token {item.header.token}")
        else:
            found.extend(f"line {line.message}" for line in item.body.lines)
    return found


@given(ITEMS, st.booleans())
def test_everything_arrives_in_order(items: list[Any], pause: bool) -> None:
    """The concatenation of all messages is all lines and tokens, and no message is too large."""
    sent = asyncio.run(messages(_yield(items, pause)))
    assert content([GetTaskLogsResponse.FromString(data) for data in sent]) == content(items)
    assert all(len(data) <= LIMIT for data in sent)


async def test_ready_lines_share_a_message() -> None:
    """A connector may yield one line at a time and still be cheap."""
    items = [LogLine(message=f"{number}") for number in range(1000)]
    sent = await messages(_yield(items))
    assert len(sent) <= 1 + sum(len(item.SerializeToString()) + 2 for item in items) // (LIMIT // 4)


async def test_a_line_is_not_held_back() -> None:
    """What the connector has is sent when it pauses, not when it ends."""
    go_on = asyncio.Event()

    async def items() -> AsyncIterator[LogLine]:
        yield LogLine(message="first")
        await go_on.wait()
        yield LogLine(message="second")

    stream: Any = log_messages(items())
    first = GetTaskLogsResponse.FromString(await stream.__anext__())
    assert content([first]) == ["line first"]
    go_on.set()
    assert content([GetTaskLogsResponse.FromString(m) async for m in stream]) == ["line second"]


@pytest.mark.parametrize("length", [LIMIT // 4 - 1, LIMIT // 4, LIMIT - 90, LIMIT - 20, LIMIT - 10, LIMIT, LIMIT * 3])
@pytest.mark.parametrize("letter", ["x", "ß", "\N{GRINNING FACE}"])
@pytest.mark.parametrize("whole_page", [False, True])
async def test_an_endless_line_is_cut(length: int, letter: str, whole_page: bool) -> None:
    """It is marked as cut, its neighbours arrive, and the message fits."""
    long = LogLine(message=letter * length, timestamp={"seconds": 1_800_000_000, "nanos": 999_999_999})
    lines = [LogLine(message="before"), long, LogLine(message="after")]
    items = [GetTaskLogsResponse(body={"lines": lines})] if whole_page else lines
    sent = await messages(_yield(items))
    assert all(len(data) <= LIMIT for data in sent)
    read = [line for data in sent for line in GetTaskLogsResponse.FromString(data).body.lines]
    assert [line.message for line in (read[0], read[-1])] == ["before", "after"]
    assert len(read) == 3
    kept = read[1].message
    assert read[1].timestamp == long.timestamp
    assert kept == long.message or (
        kept.endswith(" [truncated]") and long.message.startswith(kept[: -len(" [truncated]")])
    )


async def test_lines_before_an_error_are_sent() -> None:
    """Then the error comes."""

    async def items() -> AsyncIterator[LogLine]:
        yield LogLine(message="last words")
        raise ServiceUnavailableError("away")

    sent = []
    with pytest.raises(ServiceUnavailableError):  # noqa: PT012  (what came before the error counts)
        async for data in log_messages(items()):
            sent.append(GetTaskLogsResponse.FromString(data))  # noqa: PERF401  (as above)
    assert content(sent) == ["line last words"]


@pytest.mark.parametrize("item", ["a line", b"bytes", None, ["a line"]])
async def test_other_items_are_named(item: Any) -> None:
    """The connector's author learns what to yield."""
    with pytest.raises(InternalError, match=f"get_logs yielded {type(item).__name__}: yield LogLine"):
        await messages(_yield([item]))


async def test_no_items_are_no_messages() -> None:
    """A job without logs."""
    assert await messages(_yield([])) == []


async def test_a_slow_reader_slows_the_connector() -> None:
    """Memory stays bounded however much the connector has."""
    taken = 0

    async def endless() -> AsyncIterator[LogLine]:
        nonlocal taken
        while True:
            taken += 1
            yield LogLine(message="x" * 50)

    stream: Any = log_messages(endless())
    for _ in range(3):
        await stream.__anext__()
    for _ in range(10):
        await asyncio.sleep(0)
    assert taken * 50 < 20 * LIMIT
    await stream.aclose()


async def test_a_reader_that_leaves_stops_the_connector() -> None:
    """Its generator is closed at once."""
    closed = asyncio.Event()

    async def quiet() -> AsyncIterator[LogLine]:
        try:
            yield LogLine(message="x")
            await asyncio.sleep(60)
        finally:
            closed.set()

    stream: Any = log_messages(quiet())
    await stream.__anext__()
    await stream.aclose()
    assert closed.is_set()


async def test_a_reader_that_is_cancelled_leaves_no_task() -> None:
    """Not even the one that waits for the connector's next line."""

    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield LogLine()

    before = asyncio.all_tasks()
    reading = asyncio.ensure_future(messages(never()))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait([reading])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
