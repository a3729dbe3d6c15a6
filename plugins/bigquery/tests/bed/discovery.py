"""Google's description of its API, as its library ships it; every job that a test starts is held against it.

https://developers.google.com/discovery/v1/type-format
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "string": str,
}


@functools.cache
def schemas() -> dict[str, Any]:
    """The resources of BigQuery's REST API, by name."""
    document = files("googleapiclient") / "discovery_cache/documents/bigquery.v2.json"
    described: dict[str, Any] = json.loads(document.read_text())["schemas"]
    return described


def deviations(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Where `value` is not what `schema` says: members that it does not have, values of other types."""
    schema = schemas()[schema["$ref"]] if "$ref" in schema else schema
    kind = schema.get("type", "object")
    if value is None or kind == "any":
        return
    if wrong := _wrong(value, kind, schema):
        yield f"{path}: {wrong}, got {value!r}"
    elif kind == "array":
        for position, element in enumerate(value):
            yield from deviations(element, schema["items"], f"{path}[{position}]")
    elif kind == "object":
        for name, member in value.items():
            known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if known is None:
                yield f"{path}.{name}: no such member"
            else:
                yield from deviations(member, known, f"{path}.{name}")


def _wrong(value: Any, kind: str, schema: dict[str, Any]) -> str:
    number = schema.get("format") in {"int64", "uint64"}  # text, and Google takes numbers, too
    if not isinstance(value, _JSON_TYPES[kind]) and not (number and isinstance(value, int)):
        return f"expected {kind}"
    if number and not str(value).lstrip("-").isdecimal():
        return "expected a whole number"
    if "enum" in schema and value not in schema["enum"]:
        return f"expected one of {schema['enum']}"
    return ""


def job_of(body: bytes, content_type: str) -> dict[str, Any]:
    """The REST `Job` in the body of an insert, alone or with its data behind it."""
    if content_type.startswith("multipart/"):
        body = body.split(b"\r\n\r\n", 2)[1].partition(b"\r\n")[0]
    job: dict[str, Any] = json.loads(body)
    return job
