"""Pages of a job's log: what its command wrote to stdout and stderr, by the files of each index.

The indexes of an array come one after the other. A page token, such as `0.4096.17`, is the index and how many
bytes of its stdout and stderr have been read: both files only grow, so tokens never expire. When lines were
written is not known. In each page the lines of stdout come first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job.backends.interface import STDERR, STDOUT
from flyte_connectors_batch_job.backends.local.log import LineSplitter
from flyte_connectors_batch_job.backends.slurm.files import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flyte_connectors_batch_job.backends.interface import LogRecord
    from flyte_connectors_batch_job.backends.slurm.folder import JobFolder

PAGE_LINES = 10_000
MESSAGE_LINES = 1_000
READ_BYTES = 128 * 1024

_TOKEN = re.compile(r"([0-9]{1,9})\.([0-9]{1,18})\.([0-9]{1,18})")
_NAMES = ((STDOUT, "stdout"), (STDERR, "stderr"))


def page(
    folder: JobFolder, size: int | None, token: str, lines: int, has_ended: Callable[[], bool]
) -> Iterator[Sequence[LogRecord] | str]:
    """One page, as `BatchBackend.log` yields it.

    Args:
        folder: The job's folder.
        size: Number of indexes, if it is an array.
        token: Where the page begins.
        lines: Most lines wanted; 0 for `PAGE_LINES`.
        has_ended: Whether the job writes nothing any more.
    """
    index, offsets = _position(folder, size or 1, token)
    wanted = min(lines, PAGE_LINES) if lines > 0 else PAGE_LINES
    while wanted > 0:
        is_over = folder.outcome(index) is not None or has_ended()  # asked first: no line is missed
        mark = f"[{index}] ".encode() if size else b""
        read = 0
        for place, (source, name) in enumerate(_NAMES):
            most = min(wanted - read, MESSAGE_LINES)
            texts, offsets[place] = _read(folder, index, name, offsets[place], most, is_over=is_over)
            if texts:
                read += len(texts)
                yield [(0, source, mark + text) for text in texts]
        wanted -= read
        if read:
            continue
        if not is_over:
            break
        if index + 1 >= (size or 1):
            return
        index, offsets = index + 1, [0, 0]
    yield ".".join(map(str, (index, *offsets)))


def _position(folder: JobFolder, size: int, token: str) -> tuple[int, list[int]]:
    if not token:
        return 0, [0, 0]
    match = _TOKEN.fullmatch(token)
    if match and int(match[1]) < size:
        index, offsets = int(match[1]), [int(match[2]), int(match[3])]
        pairs = zip(_NAMES, offsets, strict=True)
        if all(offset <= folder.size(index, name) for (_, name), offset in pairs):
            return index, offsets
    message = f"'{token[:40]}' is not a page of this log: start again with an empty token"
    raise InvalidRequestError(message, field="token")


def _read(  # noqa: PLR0913  (a place in a file, and how far to read)
    folder: JobFolder, index: int, name: str, offset: int, most: int, *, is_over: bool
) -> tuple[list[bytes], int]:
    """At most `most` lines behind an offset, and the offset behind them."""
    if most <= 0:
        return [], offset
    try:
        data = folder.read(index, name, READ_BYTES, offset) or b""
    except DamagedFileError:
        return [], offset
    *complete, rest = data.split(b"\n")
    texts: list[bytes] = []
    for line in complete[:most]:
        texts += _pieces(line)
        offset += len(line) + 1
    if not complete and rest and (is_over or len(data) == READ_BYTES):
        texts += _pieces(rest)
        offset += len(rest)
    return texts, offset


def _pieces(line: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return splitter.feed(line + b"\n")
