"""Plain data as YAML, as far as manifests need it: maps, lists, strings, numbers and booleans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][-A-Za-z0-9_./]*")
_UNUSUAL = re.compile(r"[^\x20-\x7e]")
_TAKEN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def to_yaml(value: Mapping[str, Any]) -> str:
    """One document, without a marker at its start."""
    return "\n".join(_block(value, "")) + "\n"


def to_yaml_documents(values: Iterable[Mapping[str, Any]]) -> str:
    """Documents, separated by `---`."""
    return "---\n".join(to_yaml(value) for value in values)


def _block(value: Any, indent: str) -> Iterable[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", item, indent + "  ")
    elif isinstance(value, (list, tuple)) and value:
        for item in value:
            first, *rest = _block(item, indent + "  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
    else:
        yield indent + _scalar(value)


def _entry(start: str, item: Any, indent: str) -> Iterable[str]:
    if isinstance(item, (Mapping, list, tuple)) and item:
        yield start
        yield from _block(item, indent)
    else:
        yield f"{start} {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _TAKEN:
        return value
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, (list, tuple)):
        return "[]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _UNUSUAL.sub(lambda found: f"\\U{ord(found[0]):08x}", escaped) + '"'
