"""JSON schemas of references inside structs, as the official SDK writes them."""

from __future__ import annotations

from typing import Any

from flyte_connectors.io import DataFrame, Dir, File

_TEXT_OR_NONE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_FORMAT_AND_HASH = {
    "format": {"title": "Format", "type": "string", "default": ""},
    "hash": {"title": "Hash", **_TEXT_OR_NONE, "default": None},
}


def _path_schema(title: str, description: str) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "description": description,
        "properties": {
            "path": {"title": "Path", "type": "string"},
            "name": {"title": "Name", **_TEXT_OR_NONE, "default": None},
            **_FORMAT_AND_HASH,
        },
        "required": ["path"],
    }


SCHEMAS: dict[Any, dict[str, Any]] = {
    File: _path_schema("File", "A file reference with an optional format type."),
    Dir: _path_schema("Dir", "A directory reference with an optional format type."),
    DataFrame: {
        "title": "DataFrame",
        "type": "object",
        "description": "A tabular data reference backed by a remote file.",
        "properties": {
            "uri": {"title": "Uri", **_TEXT_OR_NONE, "default": None},
            "format": {"title": "Format", **_TEXT_OR_NONE, "default": ""},
            "hash": {"title": "Hash", **_TEXT_OR_NONE, "default": None},
        },
    },
}
"""By class; given to mashumaro inside dataclasses."""

MARKED: dict[Any, dict[str, Any]] = {
    reference: {**schema, "x-flyte-type": reference.__name__.lower()}
    for reference, schema in SCHEMAS.items()
}
"""The same with the mark that they carry inside models."""
