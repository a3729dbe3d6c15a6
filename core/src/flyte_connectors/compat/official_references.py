"""`File`, `Dir` and `DataFrame` of this package and of the official SDK, made into each other."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from flyte_connectors import io

_BLOB = ("path", "name", "format", "hash")
_FIELDS = {"File": _BLOB, "Dir": _BLOB, "DataFrame": ("uri", "format", "hash")}


def as_official(value: Any) -> Any:
    """`value` with the references in it, lists and dicts included, as the official SDK's."""
    return _mapped(value, functools.partial(_exchanged, io, importlib.import_module("flyte.io")))


def as_ours(value: Any) -> Any:
    """`value` with the official SDK's references in it, lists and dicts included, as ours."""
    return _mapped(value, functools.partial(_exchanged, importlib.import_module("flyte.io"), io))


def _exchanged(source: Any, target: Any, value: Any) -> Any:
    for name, fields in _FIELDS.items():
        if isinstance(value, getattr(source, name)):
            return getattr(target, name)(**{field: getattr(value, field) for field in fields})
    return value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return change(value)
