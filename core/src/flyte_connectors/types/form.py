"""Plain forms of values: data that msgpack knows (dict, list, text, bytes, numbers, None).

The official SDK spells values in two ways, depending on where they stand; this module says which.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

from flyte_connectors.types.codec import mismatch


class Spelling(enum.Enum):
    """How values are spelled as plain data.

    Attributes:
        FIELDS: Inside dataclasses, mashumaro's way: enums by value, bytes as bytes, durations in
            seconds.
        MODEL: Inside tuples and named tuples, the way of pydantic's JSON: bytes as text, durations
            in ISO 8601; and enums by name, which is the official SDK's own addition.
        TYPED: Inside typed dicts: like MODEL; a key that may be missing, and is, is written as
            None.
        NESTED: Like MODEL, but enums by value: what stands inside a dataclass or a tuple in one of
            these.
        HANDWRITTEN: As people write JSON on the command line, at any depth: enums by name or value,
            durations in seconds or ISO 8601, bytes as text, files and tables by path or URI. It is
            only read.
    """

    FIELDS = enum.auto()
    MODEL = enum.auto()
    TYPED = enum.auto()
    NESTED = enum.auto()
    HANDWRITTEN = enum.auto()


FIELDS, MODEL, TYPED, NESTED, HANDWRITTEN = Spelling
ENUMS_BY_NAME = (MODEL, TYPED, HANDWRITTEN)


class Form(NamedTuple):
    """How one type becomes plain data and comes back. Both functions raise ConversionError."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def inside(spelling: Spelling) -> Spelling:
    """Return the spelling of what stands inside a dataclass or tuple."""
    return spelling if spelling in {FIELDS, HANDWRITTEN} else NESTED


def instance_of(python_type: Any, name: str = "", but_not: tuple[type, ...] = ()) -> Callable[[Any], Any]:
    """Return a function that hands an instance through and refuses anything else."""
    expected = name or python_type.__name__

    def check(value: Any) -> Any:
        if isinstance(value, python_type) and not isinstance(value, but_not):
            return value
        raise mismatch(expected, value)

    return check
