"""What ``Annotated[T, pydantic.Field(...)]`` says about an input: limits, patterns, a description.

It goes into the metadata of the Flyte type, where consoles look for it; values are not checked
against it.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, cast, get_args

from flyteidl2.core.types_pb2 import LiteralType

_STRUCTURE = {
    "$defs",
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "discriminator",
    "items",
    "oneOf",
    "prefixItems",
    "properties",
    "required",
    "type",
}
"""Keys of a JSON schema that repeat what the Flyte type says already."""


def described_type(
    literal_type: LiteralType, python_type: Any, notes: tuple[Any, ...]
) -> LiteralType:
    """Return a Flyte type with what pydantic's notes among ``notes`` add to ``python_type``."""
    ours = tuple(note for note in notes if _is_pydantic(note))
    if not ours:
        return literal_type
    extra = _extra_schema(python_type, ours)
    described = LiteralType()
    described.CopyFrom(literal_type)
    if extra:
        described.metadata.update(extra)
    variants = described.union_type.variants
    for variant, argument in zip(variants, get_args(python_type), strict=False):
        if argument is not type(None):
            variant.CopyFrom(described_type(variant, argument, ours))
            for key in extra:
                variant.metadata.fields.pop(key, None)
    return described


def _is_pydantic(note: Any) -> bool:
    return type(note).__module__.partition(".")[0] in {"annotated_types", "pydantic"}


def _extra_schema(python_type: Any, notes: tuple[Any, ...]) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    annotated = functools.reduce(lambda inner, note: Annotated[inner, note], notes, python_type)
    try:
        bare = TypeAdapter(python_type).json_schema()
        full = TypeAdapter(cast("Any", annotated)).json_schema()
    except (PydanticUserError, TypeError):  # pydantic can't describe the type: nothing to add
        return {}
    return {
        key: value
        for key, value in full.items()
        if key not in _STRUCTURE and (key not in bare or bare[key] != value)
    }
