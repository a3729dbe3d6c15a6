"""The plain form of a value whose declared type is not known: derived from the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.types import hints
from flyte_connectors.types.codec import convert_at
from flyte_connectors.types.plain import plain_form

if TYPE_CHECKING:
    from flyte_connectors.types.form import Spelling


def dump_undeclared(value: Any, spelling: Spelling) -> Any:
    """Return plain data for a value of any supported type. Raises ConversionError for others."""
    if isinstance(value, dict):
        return {
            key: convert_at(lambda v: dump_undeclared(v, spelling), inner, f"[{key!r}]")
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            convert_at(lambda v: dump_undeclared(v, spelling), inner, f"[{i}]")
            for i, inner in enumerate(value)
        ]
    return plain_form(type(value), spelling).dump(value)


def dump_undeclared_struct(value: Any, spelling: Spelling) -> Any:
    """Return the same for a whole struct, where a tuple is a record and not a list."""
    if hints.is_named_tuple(type(value)):
        value = value._asdict()
    elif isinstance(value, tuple):
        value = {f"item_{i}": item for i, item in enumerate(value)}
    return dump_undeclared(value, spelling)
