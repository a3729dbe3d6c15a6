"""The server-sent events of a job's page: state, log lines and curves, as they change.

A stream says where it has come to with each event, so a page that has lost it goes on from there.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from flyte_connectors_console.fan_out import Page, connection_of
from flyte_connectors_console.log_lines import line_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    from flyte_connectors_console.watching import Watch, Watches

MOST_LINES = 500
_PING_SECONDS = 15.0  # how soon it is noticed that a browser has left
_LONGEST_LIFE = 3600.0  # seconds; then the page asks again, with its token


def stream(
    watches: Watches,
    watch: Watch,
    next_line: int | None,
    environ: Mapping[str, Any],
) -> Iterator[bytes]:
    """The events of a job; most of them are written to the connection by `fan_out`.

    Args:
        watches: Where it is from.
        watch: The job.
        next_line: Number of the first line that the page does not have; None for the end of the log.
        environ: That of the request.
    """
    until = time.monotonic() + _LONGEST_LIFE
    page = Page(_News(watch, next_line).take, connection_of(environ))
    try:
        yield b"retry: 1000\n\n"  # it has the head sent before anything else
        with watch.shown_by(page):
            while time.monotonic() < until:
                page.woken.clear()
                is_over = watch.is_over  # asked before reading: then nothing can be missed
                data = page.take()
                if data:
                    yield data
                elif is_over:
                    yield event("end", {})
                    return
                elif not page.woken.wait(_PING_SECONDS):
                    watches.forget_idle()
                    page.ping()
    finally:
        page.close()


class _News:
    """What a page does not have so far."""

    def __init__(self, watch: Watch, next_line: int | None) -> None:
        self._watch = watch
        self._position = next_line
        self._seen = {"state": -1, "log": -1, "curves": -1}

    def take(self) -> bytes:
        """The events, which count as sent."""
        watch, seen, news = self._watch, self._seen, b""
        if watch.state and watch.versions["state"] != seen["state"]:
            seen["state"] = watch.versions["state"]
            news += watch.encoded("state", seen["state"], partial(_state, watch))
        if watch.versions["log"] != seen["log"] and watch.has_caught_up:
            seen["log"] = watch.versions["log"]
            first, lines = watch.log.since(self._position or 0, MOST_LINES)
            if lines or self._position is None:
                self._position = first + len(lines)
                key = (first, self._position)
                news += watch.encoded("log", key, partial(_log, first, lines))
        if watch.versions["curves"] != seen["curves"]:
            seen["curves"] = watch.versions["curves"]
            news += watch.encoded("curves", seen["curves"], partial(_curves, watch))
        return news


def _state(watch: Watch) -> bytes:
    return event("state", {**watch.state, "log_note": watch.log_note})


def _log(first: int, lines: Sequence[LogLine]) -> bytes:
    views = [line_view(line) for line in lines]
    return event("log", {"first": first, "total": first + len(lines), "lines": views})


def _curves(watch: Watch) -> bytes:
    return event("curves", watch.curves.charts())


def event(name: str, data: Any) -> bytes:
    """One event; JSON has no line breaks in it."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
