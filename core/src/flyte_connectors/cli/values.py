"""Values on the command line: text to a task's inputs, and outputs to text."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import typing
from collections.abc import Mapping
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
        except (ValueError, TypeError):
            continue
    type_name = getattr(python_type, "__name__", str(python_type))
    message = f"expected {type_name}, got {text!r}"
    raise InvalidRequestError(message, field=f"inputs.{name}")


def printable(value: Any) -> Any:
    """A value as JSON can show it."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124
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


def _parse(python_type: Any, text: str) -> Any:
    if python_type is str:
        return text
    if python_type is type(None):
        if text.lower() in ("", "none", "null"):
            return None
        raise ValueError(text)
    if python_type is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError(text)
    if python_type in (int, float):
        return python_type(text)
    if python_type in (datetime.datetime, datetime.date, datetime.time):
        return python_type.fromisoformat(text)
    if python_type is datetime.timedelta:
        return datetime.timedelta(seconds=float(text))
    if isinstance(python_type, type) and issubclass(python_type, enum.Enum):
        return python_type[text] if text in python_type.__members__ else python_type(text)
    if typing.get_origin(python_type) in (list, dict) or python_type in (list, dict):
        return json.loads(text)
    if dataclasses.is_dataclass(python_type):
        fields = json.loads(text) if text.lstrip().startswith("{") else None
        return python_type(**fields) if fields is not None else python_type(text)
    return python_type(text)
