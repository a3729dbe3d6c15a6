"""JSON schemas of dataclasses and of references inside structs, as the official SDK writes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flyte_connectors.errors import ConversionError
from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.types.codec import type_name

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
    reference: {**schema, "x-flyte-type": reference.__name__.lower()} for reference, schema in SCHEMAS.items()
}
"""The same with the mark that they carry inside models."""


def dataclass_schema(python_type: Any) -> dict[str, Any] | None:
    """Return the schema, None where a type in it has none or holds itself without end."""
    from mashumaro.jsonschema import build_json_schema

    try:
        return build_json_schema(python_type, plugins=[_reference_plugin()]).to_dict()
    except NameError as error:
        raise ConversionError(
            f"{type_name(python_type)} names a type that its module does not define: {error}"
        ) from None
    except (NotImplementedError, RecursionError, TypeError, ValueError):
        return None


@lru_cache(maxsize=1)
def _reference_plugin() -> Any:
    from mashumaro.jsonschema.models import JSONSchema
    from mashumaro.jsonschema.plugins import BasePlugin

    class ReferencePlugin(BasePlugin):
        def get_schema(self, instance: Any, ctx: Any, schema: Any = None) -> Any:  # noqa: ARG002
            described = SCHEMAS.get(instance.type)
            return JSONSchema.from_dict(described) if described else None

    return ReferencePlugin()
