"""Dotted paths into JSON objects, such as `job.state`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def at(value: Any, path: str) -> Any:
    """Follow a dotted path through objects; None where it ends early, or is empty."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join two objects, and objects in them; the second one wins."""
    joined = dict(first)
    for name, value in second.items():
        inner = joined.get(name)
        if isinstance(inner, dict) and isinstance(value, dict):
            joined[name] = merged(inner, value)
        else:
            joined[name] = value
    return joined


def nested(path: str, value: Any) -> dict[str, Any]:
    """An object with a value at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)
