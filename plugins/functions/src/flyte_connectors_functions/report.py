"""What a function says while it runs: progress, metrics, messages.

    from flyte_connectors import report

    report.progress(0.4, "2 of 5 files")
    report.metric("loss", 0.31)
    report.message("starting over with a smaller step")

Each is one line of JSON in the file that `FUNCTION_REPORT` names. Outside of a job only messages are seen.
"""

from __future__ import annotations

import json
import math
import os
import time

VARIABLE = "FUNCTION_REPORT"

MASKED = "FUNCTION_MASKED"
"""Has the names of the variables whose values are masked."""

_LONGEST = 1000  # characters of a text


def progress(fraction: float, text: str = "") -> None:
    """Say how much is done.

    Args:
        fraction: From 0 to 1.
        text: What is being done, in one line.

    Raises:
        ValueError: `fraction` is not from 0 to 1.
    """
    if not 0 <= fraction <= 1:
        message = f"a progress is from 0 to 1, not {fraction!r}"
        raise ValueError(message)
    _write({"progress": float(fraction), "text": _line(text)})


def metric(name: str, value: float) -> None:
    """Add a value to a curve.

    Args:
        name: Name of the metric.
        value: Its value now; one that is not finite is left out, because JSON has none.
    """
    if math.isfinite(value):
        _write({"metric": _line(name), "value": float(value)})


def message(text: str) -> None:
    """Say what happens, in one line, which also goes to the log."""
    print(_line(text), flush=True)  # noqa: T201  (stdout is the job's log)
    _write({"text": _line(text)})


def _line(text: str) -> str:
    for name in os.environ.get(MASKED, "").split():
        text = str(text).replace(os.environ.get(name) or "\0", "***")
    return " ".join(str(text).split())[:_LONGEST]


def _write(entry: dict[str, object]) -> None:
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    line = json.dumps({"at": time.time(), **entry}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode())  # at once, so that lines of several processes do not mix
    finally:
        os.close(descriptor)
