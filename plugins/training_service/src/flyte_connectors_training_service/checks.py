"""Checks of values that clients send: each says in words what it accepts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What a value must be.

    Attributes:
        rule: In words, to follow "must be".
        accepts: Whether a decoded JSON value is such a one.
    """

    rule: str
    accepts: Callable[[object], bool]

    def __or__(self, other: Check) -> Check:
        """What either accepts."""
        return Check(
            f"{self.rule} or {other.rule}",
            lambda value: self.accepts(value) or other.accepts(value),
        )


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether a value is an integer from `low` to `high`; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


_LARGEST = 2**53


def whole(low: int, high: int) -> Check:
    """An integer within bounds, both included."""
    return Check(f"an integer from {low} to {high}", lambda value: is_integer(value, low, high))


def at_least(low: float) -> Check:
    """A number from `low` on."""
    return Check(f"a number from {low:g}", lambda value: is_number(value) and value >= low)  # type: ignore[operator]


def above(low: float) -> Check:
    """A number above `low`."""
    return Check(f"a number above {low:g}", lambda value: is_number(value) and value > low)  # type: ignore[operator]


def between(low: float, high: float) -> Check:
    """A number within bounds, both included."""
    return Check(
        f"a number from {low:g} to {high:g}",
        lambda value: is_number(value) and low <= value <= high,  # type: ignore[operator]
    )


def share() -> Check:
    """A number above 0, and at most 1."""
    return Check(
        "a number above 0, at most 1",
        lambda value: isinstance(value, float) and 0 < value <= 1,
    )


def choice(*values: object) -> Check:
    """One of some values, of the same type."""
    named = ", ".join("null" if value is None else repr(value) for value in values)
    return Check(
        f"one of {named}",
        lambda value: any(value == one and type(value) is type(one) for one in values),
    )


NULL = Check("null", lambda value: value is None)
FLAG = Check("true or false", lambda value: isinstance(value, bool))
NUMBER = Check("a number", is_number)
NAME = Check(
    "the name of a column",
    lambda value: isinstance(value, str) and value.isprintable() and bool(value),
)
MAX_NAMES = 10_000
NAMES = Check(
    "a list of names of columns",
    lambda value: isinstance(value, list) and len(value) <= MAX_NAMES and all(map(NAME.accepts, value)),
)
