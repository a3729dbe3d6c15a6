"""The server-sent events of a job's page: state, log lines and curves, as they change.

A stream says where it has come to with each event, so a page that has lost it goes on from there.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors_console.log_lines import line_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_connectors_console.watching import Watch, Watches

MOST_LINES = 500
_PING_SECONDS = 15.0  # how soon it is noticed that a browser has left
_SHORTEST_PAUSE = 0.1  # seconds between two events of one stream
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
            if watch.versions["state"] != seen["state"]:
                seen["state"] = watch.versions["state"]
                news += event("state", {**watch.state, "log_note": watch.log_note})
            if watch.versions["log"] != seen["log"] and watch.has_caught_up:
                seen["log"] = watch.versions["log"]
                first, lines = watch.log.since(position or 0, MOST_LINES)
                if lines or position is None:
                    position = first + len(lines)
                    views = [line_view(line) for line in lines]
                    news += event("log", {"first": first, "total": position, "lines": views})
            if watch.versions["curves"] != seen["curves"]:
                seen["curves"] = watch.versions["curves"]
                news += event("curves", watch.curves.charts())
            if news:
                yield news
                time.sleep(_SHORTEST_PAUSE)
            if is_over:
                yield event("end", {})
                return
            if not news and not changed.wait(_PING_SECONDS):
                watches.forget_idle()
                yield b": ping\n\n"


def event(name: str, data: Any) -> bytes:
    """One event; JSON has no line breaks in it."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
