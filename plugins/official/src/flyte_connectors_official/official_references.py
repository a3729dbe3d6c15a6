"""`File`, `Dir` and `DataFrame` of this package and of the official SDK, made into each other."""

from __future__ import annotations

import functools
import importlib
import operator
import types
import typing
from collections.abc import Callable
from typing import Any, Union

from flyte_connectors import io

_BLOB = ("path", "name", "format", "hash")
_FIELDS = {"File": _BLOB, "Dir": _BLOB, "DataFrame": ("uri", "format", "hash")}


def as_official(value: Any) -> Any:
    """`value` with the references in it, those in containers included, as the official SDK's."""
    return _mapped(value, functools.partial(_exchanged, io, importlib.import_module("flyte.io")))


def as_ours(value: Any) -> Any:
    """`value` with the official SDK's references in it, those in containers included, as ours."""
    return _mapped(value, functools.partial(_exchanged, importlib.import_module("flyte.io"), io))


def as_official_type(python_type: Any) -> Any:
    """`python_type` with the references in it, those in generics included, as the official SDK's."""
    arguments = typing.get_args(python_type)
    if not arguments and isinstance(python_type, type):
        found = (name for name in _FIELDS if issubclass(python_type, getattr(io, name)))
        name = next(found, None)
        return getattr(importlib.import_module("flyte.io"), name) if name else python_type
    changed = tuple(map(as_official_type, arguments))
    if all(map(operator.is_, changed, arguments)):
        return python_type
    origin = typing.get_origin(python_type)
    return (Union if origin is types.UnionType else origin)[changed]


def _exchanged(source: Any, target: Any, value: Any) -> Any:
    for name, fields in _FIELDS.items():
        if isinstance(value, getattr(source, name)):
            return getattr(target, name)(**{field: getattr(value, field) for field in fields})
    return value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if type(value) is tuple:
        return tuple(_mapped(item, change) for item in value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return change(value)
