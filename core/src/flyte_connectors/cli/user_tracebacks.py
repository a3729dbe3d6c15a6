"""Tracebacks that show the user's code first, without the frames of this framework around it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import pathlib
import traceback

import flyte_connectors

_HIDDEN = tuple(
    str(pathlib.Path(module.__file__ or "").parent) + os.sep
    for module in (flyte_connectors, asyncio, concurrent.futures)
)


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` and of its causes, with the frames of the user's code alone."""
    shown = traceback.TracebackException.from_exception(error)
    _hide_framework(shown)
    return "".join(shown.format())


def _hide_framework(shown: traceback.TracebackException) -> None:
    frames = [frame for frame in shown.stack if not frame.filename.startswith(_HIDDEN)]
    shown.stack[:] = frames or shown.stack
    for cause in (shown.__cause__, shown.__context__):
        if cause is not None:
            _hide_framework(cause)
