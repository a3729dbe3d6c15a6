"""Values on the command line: text to a task's inputs, and outputs to text."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any

from flyte_connectors.errors import InvalidRequestError

_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


def parse_value(name: str, python_type: Any, text: str) -> Any:
    """The value of an input of `python_type` that `text` means.

    Strings are taken as they are, other types as their constructors or JSON read them.

    Raises:
        InvalidRequestError: `text` means no such value.
    """
    candidates = typing.get_args(python_type) if _is_union(python_type) else (python_type,)
    for candidate in sorted(candidates, key=lambda candidate: candidate is str):
        try:
            return _parse(candidate, text)
        except (ValueError, TypeError, LookupError):
            continue
    type_name = getattr(python_type, "__name__", str(python_type))
    message = f"expected {type_name}, got {text!r}"
    raise InvalidRequestError(message, field=f"inputs.{name}")


def printable(value: Any) -> Any:  # noqa: PLR0911  (one line per kind of value)
    """A value as JSON can show it."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: printable(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _is_union(python_type: Any) -> bool:
    return type(None) in typing.get_args(python_type) or (
        str(typing.get_origin(python_type)) in ("typing.Union", "<class 'types.UnionType'>")
    )


def _bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _none(text: str) -> None:
    if text.lower() not in ("", "none", "null"):
        raise ValueError(text)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: _bool,
    type(None): _none,
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    datetime.timedelta: lambda text: datetime.timedelta(seconds=float(text)),
}


def _parse(python_type: Any, text: str) -> Any:
    parser = _PARSERS.get(python_type)
    if parser is not None:
        return parser(text)
    if isinstance(python_type, type) and issubclass(python_type, enum.Enum):
        return python_type[text] if text in python_type.__members__ else python_type(text)
    if text.lstrip()[:1] in ("{", "["):
        from mashumaro.codecs.json import JSONDecoder  # only for values of several parts

        return JSONDecoder(python_type).decode(text)
    return python_type(text)  # a class of one text, such as Decimal or File
