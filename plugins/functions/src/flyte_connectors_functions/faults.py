"""Exceptions of functions in one line: type, text, and the frames of the user's own code."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_MOST_FRAMES = 4
_LONGEST = 600  # characters of an exception's text


def one_line(error: BaseException, code: str) -> str:
    """An exception, such as `ValueError: bad row (etl/rows.py:5 in parse, etl/tasks.py:9 in clean)`.

    Args:
        error: The exception.
        code: Folder of the user's code; empty if it is installed.
    """
    text = " ".join(str(error).split())[:_LONGEST]
    name = type(error).__qualname__
    own = [_shown(frame, code) for frame in reversed(_own(error, code))]
    frames = f" ({', '.join(own[:_MOST_FRAMES])})" if own else ""
    return (f"{name}: {text}" if text else name) + frames


def _own(error: BaseException, code: str) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    if code:
        return [frame for frame in frames if frame.filename.startswith(code)]
    here = str(Path(__file__).parent)
    library = sysconfig.get_path("stdlib")
    others = (here, "<frozen", *([library] if library else ()))
    return [frame for frame in frames if not frame.filename.startswith(others)]


def _shown(frame: traceback.FrameSummary, code: str) -> str:
    file = frame.filename.removeprefix(code).lstrip("/") if code else Path(frame.filename).name
    return f"{file}:{frame.lineno} in {frame.name}"
