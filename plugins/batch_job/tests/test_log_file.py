"""Laws of the log file's format, for any bytes in any portions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job.backends.local import log

if TYPE_CHECKING:
    from pathlib import Path

PORTIONS = st.lists(
    st.one_of(
        st.binary(max_size=50),
        st.text(alphabet="aé𝄞\n", max_size=50).map(str.encode),
        st.sampled_from([b"x" * log.MAX_LINE_BYTES, "é".encode() * 9000, b"\xff" * 17000]),
    ),
    max_size=8,
)


def split(portions: list[bytes]) -> list[bytes]:
    """All lines of a stream that arrives in these portions."""
    splitter = log.LineSplitter()
    return [line for data in portions for line in splitter.feed(data)] + splitter.close()


@given(PORTIONS)
def test_no_byte_is_lost_or_added(portions: list[bytes]) -> None:
    """The lines hold all bytes but the newlines, in order."""
    assert b"".join(split(portions)) == b"".join(portions).replace(b"\n", b"")


@given(PORTIONS)
def test_lines_are_the_lines_of_the_stream_but_never_too_long(portions: list[bytes]) -> None:
    """Short lines are what `split` gives; every line keeps the limit."""
    lines = split(portions)
    whole = b"".join(portions).split(b"\n")
    assert all(len(line) <= log.MAX_LINE_BYTES for line in lines)
    if all(len(line) < log.MAX_LINE_BYTES for line in whole):
        assert lines == (whole if whole[-1] else whole[:-1])


@given(st.text(alphabet="aé𝄞", min_size=1, max_size=20))
def test_no_character_is_cut_in_two(text: str) -> None:
    """The pieces of a long line of UTF-8 are UTF-8."""
    line = text * (40_000 // len(text))
    assert "".join(piece.decode() for piece in split([line.encode()])) == line


@given(
    before=st.sampled_from([0, 1, log.MAX_LINE_BYTES - 5, log.MAX_LINE_BYTES, 2 * log.MAX_LINE_BYTES - 5, 50_000]),
    after=st.sampled_from([0, 20, log.MAX_LINE_BYTES, 40_000]),
    size=st.sampled_from([997, 16_384, 65_536]),
)
def test_a_secret_is_masked_wherever_a_line_is_cut(before: int, after: int, size: int) -> None:
    """Into portions as they arrive, and into pieces as they are shown."""
    secret = b"correct-horse-battery"
    splitter = log.LineSplitter(lambda line: line.replace(secret, b"***"))
    data = b"x" * before + secret + b"y" * after + b"\n" + secret
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    lines = [line for part in parts for line in splitter.feed(part)] + splitter.close()
    assert b"".join(lines) == data.replace(secret, b"***").replace(b"\n", b"")
    assert all(len(line) <= log.MAX_LINE_BYTES for line in lines)


@given(PORTIONS)
def test_the_last_line_is_the_last_that_is_not_blank(portions: list[bytes]) -> None:
    """It is what a failed job's message and a lone string output show."""
    splitter = log.LineSplitter()
    lines = [line for data in portions for line in splitter.feed(data)] + splitter.close()
    assert splitter.last == next((line for line in reversed(lines) if line.strip()), b"")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each example writes its log."""
    return tmp_path_factory.mktemp("log") / "log"


@given(
    portions=st.lists(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)), max_size=5),
    size=st.integers(1, 10),
)
def test_any_pages_of_a_log_give_back_what_was_written(path: Path, portions: list[list[bytes]], size: int) -> None:
    """Reading on from each offset gives every line once, and each offset is a line's start."""
    path.unlink(missing_ok=True)
    writer = log.LogWriter(str(path))
    for lines in portions:
        writer.write(log.STDERR, lines)
    offset, read = 0, []
    while True:
        records, offset = log.read(str(path), offset, size)
        assert log.is_line_start(str(path), offset)
        if not records:
            break
        read += records
    assert [text for _, _, text in read] == [line for lines in portions for line in lines]
    assert {source for _, source, _ in read} <= {log.STDERR}
    assert offset == path.stat().st_size


def test_a_line_in_the_writing_is_not_read(path: Path) -> None:
    """A reader beside the writer sees whole lines only."""
    path.write_bytes(b"1763642537123456 o whole\n1763642537123457 o ha")
    records, offset = log.read(str(path), 0, 10)
    assert records == [(1763642537123456, b"o", b"whole")]
    assert log.read(str(path), offset, 10) == ([], offset)


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A job that has not begun has no log file."""
    assert log.read(str(tmp_path / "none"), 0, 10) == ([], 0)


def pages(path: Path) -> list[bytes]:
    """The texts of a log, read to its end in as many calls as that takes, each from a valid place."""
    offset, texts = 0, []
    while True:
        assert log.is_line_start(str(path), offset)
        records, offset = log.read(str(path), offset, 2)
        if not records:
            return texts
        texts += [text for _, _, text in records]


def test_a_hole_of_any_size_is_passed_over_at_once(tmp_path: Path) -> None:
    """A job can make its log as large as it likes without writing anything."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"1763642537123456 o before\n")
        file.truncate(1 << 42)
        file.seek(1 << 42)
        file.write(b"1763642537123457 o behind\n")
        file.truncate(1 << 43)
    began = time.process_time()
    assert pages(path) == [b"before", b"behind"]
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize("zeros", [1, 100, 3000, 4096, 20_000])
def test_zeros_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zeros: int) -> None:
    """As a crash leaves them, in the middle or at the end."""
    monkeypatch.setattr(log, "SKIP_BYTES", 4096)
    path = tmp_path / "log"
    line = b"1763642537123456 o text\n"
    path.write_bytes(bytes(zeros) + line + bytes(zeros) + line + bytes(zeros))
    assert [text for text in pages(path) if text] == [b"text", b"text"]


def test_a_line_without_an_end_is_read_in_bounded_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a job makes it, each call ends; the log goes on behind it."""
    monkeypatch.setattr(log, "SKIP_BYTES", 1_000_000)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000 + b"\n1763642537123456 o behind\n")
    *cut, last = pages(path)
    assert last == b"behind"
    assert 1 < len(cut) < 5
    assert set(cut) == {b"x" * log.MAX_LINE_BYTES}


@pytest.mark.parametrize("offset", [1, 5, 199_999, 200_001, 300_000])
def test_another_place_is_not_a_page(tmp_path: Path, offset: int) -> None:
    """Neither inside a line that is read in one piece, nor beyond the end."""
    path = tmp_path / "log"
    path.write_bytes(b"short line\n" * 18_182 + b"end\n")
    assert not log.is_line_start(str(path), offset)
