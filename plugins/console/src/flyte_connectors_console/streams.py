"""The server-sent events of a job's page: state, log lines and curves, as they change.

A stream says where it has come to with each event, so a page that has lost it goes on from there.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from flyte_connectors_console.log_lines import line_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    from flyte_connectors_console.watching import Watch, Watches

MOST_LINES = 500
_PING_SECONDS = 15.0  # how soon it is noticed that a browser has left
_LONGEST_LIFE = 3600.0  # seconds; then the page asks again, with its token


def stream(watches: Watches, watch: Watch, next_line: int | None) -> Iterator[bytes]:
    """The events of a job.

    Args:
        watches: Where it is from.
        watch: The job.
        next_line: Number of the first line that the page does not have; None for the end of the log.
    """
    seen = {"state": -1, "log": -1, "curves": -1}
    position = next_line
    until = time.monotonic() + _LONGEST_LIFE
    with watch.listening() as changed:
        yield b"retry: 1000\n\n"
        while time.monotonic() < until:
            changed.clear()
            is_over = watch.is_over  # asked before reading: then nothing can be missed
            news = b""
            if watch.state and watch.versions["state"] != seen["state"]:
                seen["state"] = watch.versions["state"]
                news += watch.encoded("state", seen["state"], partial(_state, watch))
            if watch.versions["log"] != seen["log"] and watch.has_caught_up:
                seen["log"] = watch.versions["log"]
                first, lines = watch.log.since(position or 0, MOST_LINES)
                if lines or position is None:
                    position = first + len(lines)
                    news += watch.encoded("log", (first, position), partial(_log, first, lines))
            if watch.versions["curves"] != seen["curves"]:
                seen["curves"] = watch.versions["curves"]
                news += watch.encoded("curves", seen["curves"], partial(_curves, watch))
            if news:
                yield news
            if is_over:
                yield event("end", {})
                return
            if not news and not changed.wait(_PING_SECONDS):
                watches.forget_idle()
                yield b": ping\n\n"


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
