"""What people may write on the command line in another way than programs do."""

from __future__ import annotations

import datetime as dt
import pathlib
import re
from collections.abc import Callable
from typing import Any

from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.io.storage import is_remote
from flyte_connectors.types.codec import mismatch
from flyte_connectors.types.form import Form
from flyte_connectors.types.hints import is_subclass
from flyte_connectors.types.plain.scalars import parse_duration

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(-?\d+) days?, )?(\d+):([0-5]?\d):([0-5]?\d(?:\.\d+)?)")


def handwritten_form(python_type: Any) -> Form | None:
    """Return the form of a type that people write in their own way, None for others."""
    if python_type is dt.timedelta:
        return _read_only(_duration)
    if is_subclass(python_type, (File, Dir, DataFrame)):
        return _read_only(lambda plain: _reference(python_type, plain))
    return None


def _read_only(load: Callable[[Any], Any]) -> Form:
    return Form(dump=load, load=load)


def _duration(plain: Any) -> dt.timedelta:
    """Seconds, `1:02:03` as Python prints a duration, or ISO 8601."""
    try:
        if not isinstance(plain, str):
            return dt.timedelta(seconds=_check_number(plain))
        if match := _CLOCK.fullmatch(plain):
            days, hours, minutes, seconds = match.groups()
            clock = dt.timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
            return dt.timedelta(days=int(days or 0)) + clock
        if _NUMBER.fullmatch(plain):
            return dt.timedelta(seconds=float(plain))
        return parse_duration(plain)
    except (ArithmeticError, TypeError, ValueError):
        pass
    raise mismatch("a duration (seconds, H:MM:SS or ISO 8601)", plain)


def _check_number(plain: Any) -> float:
    if isinstance(plain, (int, float)) and not isinstance(plain, bool):
        return plain
    raise TypeError(plain)


def _reference(python_type: Any, plain: Any) -> Any:
    """A path, a URI, or an object with the reference's fields."""
    place = "uri" if issubclass(python_type, DataFrame) else "path"
    fields = {place: plain} if isinstance(plain, str) else plain
    try:
        where = fields[place]
        fields = {
            **fields,
            place: where if is_remote(where) else str(pathlib.Path(where).absolute()),
        }
        return python_type(**fields)
    except (TypeError, AttributeError, LookupError):
        raise mismatch(f"{python_type.__name__} (a path or URI)", plain) from None
