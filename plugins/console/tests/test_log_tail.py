"""What is kept of a log."""

from __future__ import annotations

from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_console.log_tail import MOST_BYTES, MOST_LINES, LogTail


def filled(pages: list[int]) -> LogTail:
    """A tail of pages of so many lines; each line is its number."""
    tail, number = LogTail(), 0
    for page, size in enumerate(pages):
        for _ in range(size):
            tail.add(LogLine(message=str(number)), str(page) if page else "")
            number += 1
    return tail


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(0, 300), st.integers(0, 50))
def test_lines_from_a_number_on(pages: list[int], number: int, most: int) -> None:
    """The last ones, each under its own number."""
    tail = filled(pages)
    first, lines = tail.since(number, most)
    assert [int(line.message) for line in lines] == list(range(first, tail.total))[: len(lines)]
    assert len(lines) <= most
    assert len(lines) == max(min(tail.total - number, most), 0)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.data())
def test_the_page_of_a_line(pages: list[int], data: st.DataObject) -> None:
    """The last one that begins at the line or before it."""
    tail = filled(pages)
    number = data.draw(st.integers(0, tail.total - 1))
    page = tail.page_of(number)
    index = int(page.token or 0)
    assert page.first == sum(pages[:index])
    assert page.first <= number < page.first + pages[index]


def test_it_stays_small() -> None:
    """However long the log is, and its lines."""
    tail = filled([1] * 20_000)
    assert len(tail.lines) == MOST_LINES
    assert len(tail.pages) < 5_000
    assert tail.page_of(12_345).first <= 12_345
    for _ in range(30):
        tail.add(LogLine(message="x" * (MOST_BYTES // 10)), "x")
    assert sum(len(line.message) for line in tail.lines) <= MOST_BYTES
    tail.add(LogLine(message="y" * 2 * MOST_BYTES), "x")
    assert len(tail.lines) == 1
