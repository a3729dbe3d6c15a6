r"""The log file: one line of text per line that the job wrote.

    1763642537123456 o counted 12 words\n
    |                | the job's bytes, unchanged
    |                o stdout, e stderr, s the supervisor
    microseconds since 1970, when the supervisor read the line

The file only ever grows by whole lines, so the byte offset behind any line stays a valid place to
go on reading. Lines longer than `MAX_LINE_BYTES` become several.

A job can write to the file itself, or put something else in its place. What is not a line of this
form is shown as it is, without a time; what is not a regular file is an empty log. Of a line that is
longer than any of ours the beginning is shown; zeros, as a crash or a hole leaves them, are passed over.
"""

from __future__ import annotations

import contextlib
import os
import time

from flyte_connectors_batch_job.backends.local import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDOUT = b"o"
STDERR = b"e"
SUPERVISOR = b"s"
SOURCES = (STDOUT, STDERR, SUPERVISOR)

MAX_LINE_BYTES = 16 * 1024
READ_BYTES = 128 * 1024
SKIP_BYTES = 64 * 1024 * 1024
_SCAN_BYTES = 1024 * 1024
_STAMP_DIGITS = 16
_TEXT_AT = _STAMP_DIGITS + 3
_NEWLINE = b"\n"
_ZERO = b"\0"
_CONTINUATION = 0x80  # top bits of a byte inside a UTF-8 character, RFC 3629


class LineSplitter:
    """Cuts a stream of bytes into lines.

    Args:
        mask: What masks secrets in a line. A line is masked before it is cut; of one that is longer than two pieces, a
            piece is held back, in which a secret of its size may begin.

    Attributes:
        last: The last line that was not blank.
    """

    def __init__(self, mask: Callable[[bytes], bytes] | None = None) -> None:
        self._mask = mask or (lambda line: line)
        self._most_held = MAX_LINE_BYTES if mask is None else 2 * MAX_LINE_BYTES
        self.last = b""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete with `data`, without their newline."""
        *complete, rest = (self._rest + data).split(_NEWLINE)
        pieces = [piece for line in complete for piece in _cut(self._mask(line))]
        if len(rest) > self._most_held:
            rest = self._mask(rest)
        *long, self._rest = _cut(rest, self._most_held)
        return self._seen(pieces + long)

    def close(self) -> list[bytes]:
        """The line that the stream ended in, if it lacks its newline."""
        rest, self._rest = self._rest, b""
        return self._seen(list(_cut(self._mask(rest))) if rest else [])

    def _seen(self, lines: list[bytes]) -> list[bytes]:
        self.last = next((line for line in reversed(lines) if line.strip()), self.last)
        return lines


class LogWriter:
    """Appends lines. On a full disk lines are lost, which the next line notes; the job continues."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        self._file = os.open(path, flags, 0o600)
        self._dropped = 0

    def write(self, source: bytes, lines: list[bytes]) -> None:
        """Append `lines`, stamped with the present time."""
        if self._dropped and lines:
            note = b"%d lines are missing here: the spool was full" % self._dropped
            if self._append(SUPERVISOR, [note]):
                self._dropped += len(lines)
                return
            self._dropped = 0
        self._dropped += self._append(source, lines)

    def _append(self, source: bytes, lines: list[bytes]) -> int:
        """Append as many whole lines as fit. Returns how many did not."""
        stamp = b"%d %b " % (time.time_ns() // 1000, source)
        data = b"".join([b"%b%b\n" % (stamp, line) for line in lines])
        start = os.fstat(self._file).st_size
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            whole = data.rfind(_NEWLINE, 0, written) + 1
            os.ftruncate(self._file, start + whole)
            return len(lines) - data.count(_NEWLINE, 0, whole)
        return 0


def read(path: str, offset: int, lines: int) -> tuple[list[tuple[int, bytes, bytes]], int]:
    """Some of the lines that the log has behind a byte offset.

    Args:
        path: The log file; one that is not there yet is empty.
        offset: Where to start: 0, or what an earlier call returned.
        lines: How many lines to read at most; they are fewer if they hold over `READ_BYTES`.

    Returns:
        The lines as (microseconds since 1970, source, text), none at the present end of the log,
        and the offset behind them.
    """
    with _opened(path) as file:
        if file is None:
            return [], offset
        data = os.pread(file, READ_BYTES, offset)
        if data.startswith(_ZERO):
            offset = _behind_zeros(file, offset)
            data = os.pread(file, READ_BYTES, offset)
            if data.startswith(_ZERO):  # the next call passes over more of them
                return [_parse(b"")], offset
        *complete, _ = data.split(_NEWLINE)  # the last is in the writing
        if not complete and len(data) == READ_BYTES:  # no line of ours is that long
            return [_parse(data)], _next_line(file, offset + READ_BYTES)
    complete = complete[:lines]
    return [_parse(line) for line in complete], offset + sum(map(len, complete)) + len(complete)


def is_line_start(path: str, offset: int) -> bool:
    """Whether a line starts, or will start, at this byte offset, or the rest of one that was cut."""
    start = max(offset - READ_BYTES, 0)
    with _opened(path) as file:
        before = b"" if file is None else os.pread(file, offset - start, start)
    if len(before) < offset - start:
        return False
    return before[-1:] in (b"", _NEWLINE, _ZERO) or (start > 0 and _NEWLINE not in before)


def _next_line(file: int, offset: int) -> int:
    """The offset behind the next newline or hole, or of the end; at most `SKIP_BYTES` further."""
    limit = offset + SKIP_BYTES
    while offset < limit:
        behind_hole = _data_from(file, offset)
        if behind_hole > offset:
            return behind_hole
        data = os.pread(file, min(_SCAN_BYTES, limit - offset), offset)
        place = data.find(_NEWLINE)
        if place >= 0:
            return offset + place + 1
        if not data:
            break
        offset += len(data)
    return offset


def _behind_zeros(file: int, offset: int) -> int:
    """The offset of the next byte that is not zero, or of the end; at most `SKIP_BYTES` of zeros further."""
    limit = offset + SKIP_BYTES
    while offset < limit:
        behind_hole = _data_from(file, offset)
        if behind_hole > offset:
            offset, limit = behind_hole, behind_hole + SKIP_BYTES
        data = os.pread(file, min(_SCAN_BYTES, limit - offset), offset)
        rest = data.lstrip(_ZERO)
        offset += len(data) - len(rest)
        if rest or not data:
            break
    return offset


def _data_from(file: int, offset: int) -> int:
    """The offset of the next byte that is stored: a hole of any size costs nothing to pass over."""
    if not hasattr(os, "SEEK_DATA"):
        return offset
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:  # there is nothing but a hole, or not even that
        return max(offset, os.fstat(file).st_size)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """The log's descriptor; None if there is no regular file."""
    try:
        file = files.open_regular(path)
    except files.DamagedFileError:
        file = None
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def _parse(line: bytes) -> tuple[int, bytes, bytes]:
    line = line.lstrip(_ZERO)
    stamp, source = line[:_STAMP_DIGITS], line[_STAMP_DIGITS + 1 : _STAMP_DIGITS + 2]
    if len(stamp) == _STAMP_DIGITS and stamp.isdigit() and source in SOURCES:
        return int(stamp), source, line[_TEXT_AT:]
    return 0, STDOUT, line[:MAX_LINE_BYTES]


def _cut(line: bytes, most: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Pieces of at most `MAX_LINE_BYTES`, no UTF-8 character cut in two, and a last one of at most `most`."""
    while len(line) > most:
        end = MAX_LINE_BYTES
        while end > MAX_LINE_BYTES - 4 and line[end] & 0xC0 == _CONTINUATION:
            end -= 1
        yield line[:end]
        line = line[end:]
    yield line
