"""One page of the log of a job's pods.

A token is `POD.SECOND.BYTES`: the pod (its place among the job's), the second of its log to begin with, and how many
bytes to skip from there. The API begins at whole seconds, and a log only grows, so a token stays valid.

Reference: https://kubernetes.io/docs/concepts/cluster-administration/logging/
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import current_masker, redact

from flyte_connectors_batch_job.backends.interface import STDOUT
from flyte_connectors_batch_job.backends.kubernetes.records import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flyte_connectors_batch_job.backends.interface import LogRecord
    from flyte_connectors_batch_job.backends.kubernetes.api import Api
    from flyte_connectors_batch_job.backends.kubernetes.records import PodRecord

PAGE_LINES = 10_000
PAGE_BYTES = 2 * 1024 * 1024
MESSAGE_LINES = 1_000
MOST_LINE_BYTES = 16 * 1024
"""Longer lines are given in pieces."""

_TOKEN = re.compile(r"(\d{1,6})\.(\d{1,12})\.(\d{1,15})")
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z ?")


@dataclasses.dataclass
class Place:
    """Where a page begins.

    Attributes:
        pod: Place of the pod among the job's.
        second: Of its log to begin with, since 1970; 0 for its begin.
        skipped: Bytes from there that were read.
    """

    pod: int = 0
    second: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.pod}.{self.second}.{self.skipped}"


def place(token: str) -> Place:
    """What a token stands for.

    Raises:
        InvalidRequestError: it is not one of ours.
    """
    match = _TOKEN.fullmatch(token or "0.0.0")
    if match is None:
        message = f"{token[:40]!r} is not a page of this log: start again with an empty token"
        raise InvalidRequestError(message, field="token")
    return Place(*map(int, match.groups()))


def page(  # noqa: PLR0913  (what a page is made of)
    api: Api,
    run: Callable[[Any], Any],
    pods: Sequence[PodRecord],
    token: str,
    lines: int,
    *,
    may_grow: bool,
) -> Iterator[Sequence[LogRecord] | str]:
    """A page: batches of lines, then the next page's token if there may be one.

    Args:
        api: The API of the job's namespace.
        run: Runs a coroutine.
        pods: The job's pods, in order.
        token: Where it begins.
        lines: Most lines wanted; 0 for as many as are usual.
        may_grow: Whether the job may still write, or get pods.
    """
    where = place(token)
    wanted = min(lines, PAGE_LINES) if lines > 0 else PAGE_LINES
    is_array = any(pod.index is not None for pod in pods)
    while where.pod < len(pods) and wanted:
        pod = pods[where.pod]
        part = _Part(where, wanted, is_over=pod.has_ended)
        run(api.log(pod.name, part.query(), part.write))
        records = part.records()
        if is_array:
            mark = f"[{pod.index}] ".encode()
            records = [(time, source, mark + text) for time, source, text in records]
        for start in range(0, len(records), MESSAGE_LINES):
            yield records[start : start + MESSAGE_LINES]
        wanted -= len(records)
        if part.is_cut or not pod.has_ended:
            break
        where.pod, where.second, where.skipped = where.pod + 1, 0, 0
    if may_grow or where.pod < len(pods):
        yield str(where)


class _Part:
    """A part of one container's log, read from `where` on, which moves along."""

    def __init__(self, where: Place, wanted: int, *, is_over: bool) -> None:
        self._where = where
        self._wanted = wanted
        self._is_over = is_over
        self._room = PAGE_BYTES
        self._to_skip = where.skipped
        self._data = bytearray()
        self.is_cut = False

    def query(self) -> dict[str, str | int]:
        """The parameters of the API's question."""
        query: dict[str, str | int] = {
            "container": CONTAINER,
            "timestamps": "true",
            "limitBytes": self._where.skipped + PAGE_BYTES,
        }
        if self._where.second:
            start = dt.datetime.fromtimestamp(self._where.second, dt.timezone.utc)
            query["sinceTime"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        return query

    def write(self, chunk: bytes) -> None:
        """Take a piece of the answer; what was read before is not kept."""
        skipped = min(self._to_skip, len(chunk))
        self._to_skip -= skipped
        self._data += chunk[skipped:]

    def records(self) -> list[LogRecord]:
        """The lines; `is_cut` says whether there may be more of them now."""
        data, where = bytes(self._data), self._where
        found: list[LogRecord] = []
        begin, is_full = 0, len(data) >= PAGE_BYTES
        time = where.second * 1_000_000
        while begin < len(data) and len(found) < self._wanted:
            end = data.find(b"\n", begin)
            is_whole = end >= 0
            if not is_whole:
                if not (self._is_over or (is_full and not found)):
                    break  # the rest of this line is yet to come
                end = len(data)
            stamp = _STAMP.match(data, begin, end)
            text = data[stamp.end() if stamp else begin : end].rstrip(b"\r")
            after = end + 1 if is_whole else end
            if stamp:
                second, time = _times(stamp)
                if second > where.second:
                    where.second, where.skipped = second, 0
            where.skipped += after - begin
            found += [(time, STDOUT, piece) for piece in _pieces(_masked(text))]
            begin = after
        self.is_cut = is_full or begin < len(data)
        return found


def _times(stamp: re.Match[bytes]) -> tuple[int, int]:
    """The second of a time stamp, and its microseconds since 1970."""
    moment = dt.datetime.strptime(stamp[1].decode() + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    second = int(moment.timestamp())
    return second, second * 1_000_000 + int((stamp[2] or b"0").ljust(9, b"0")[:6])


def _masked(text: bytes) -> bytes:
    """A line without the call's secrets, which are recognized as long as they are whole."""
    if current_masker() is None:
        return text
    return redact(text.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _pieces(text: bytes) -> list[bytes]:
    if len(text) <= MOST_LINE_BYTES:
        return [text]
    return [text[at : at + MOST_LINE_BYTES] for at in range(0, len(text), MOST_LINE_BYTES)]
