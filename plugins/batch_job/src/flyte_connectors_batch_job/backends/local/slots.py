"""How much of the machine jobs may use, and how much of that one job takes."""

from __future__ import annotations

import math
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SLOTS_VARIABLE = "FLYTE_BATCH_JOB_SLOTS"
MEMORY_VARIABLE = "FLYTE_BATCH_JOB_MEMORY"
VARIABLES = (SLOTS_VARIABLE, MEMORY_VARIABLE)

_MIB = 1024 * 1024
_UNITS = {"": 1, "Mi": _MIB, "Gi": 1024 * _MIB, "M": 10**6, "G": 10**9}


class InvalidSlotsError(Exception):
    """The operator's setting is wrong; the text names it."""


class Amount:
    """Slots, and MiB of memory."""

    __slots__ = ("memory_mib", "slots")

    def __init__(self, slots: int, memory_mib: int) -> None:
        self.slots = slots
        self.memory_mib = memory_mib


def limits() -> Amount:
    """What the operator sets, else all cores and all memory of the machine.

    Raises:
        InvalidSlotsError: a setting is wrong.
    """
    slots, memory = _set(SLOTS_VARIABLE, number_of_slots), _set(MEMORY_VARIABLE, mebibytes)
    return Amount(_cores() if slots is None else slots, _memory_mib() if memory is None else memory)


def wanted(spec: dict[str, Any]) -> Amount:
    """What a job takes: a slot for each core that it asks for, at least one, and its memory."""
    cpu, memory = spec.get("cpu"), spec.get("memory_bytes")
    return Amount(max(1, math.ceil(cpu or 1)), math.ceil((memory or 0) / _MIB))


def number_of_slots(text: str) -> int:
    """The slots that a setting gives.

    Raises:
        ValueError: it is not a number of slots.
    """
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        message = f"is not a number of slots, such as {_cores()}"
        raise ValueError(message)
    return int(text)


def mebibytes(text: str) -> int:
    """The memory that a setting gives.

    Raises:
        ValueError: it is not an amount of memory.
    """
    digits = text.rstrip("MGi")
    unit = text[len(digits) :]
    if not (digits.isascii() and digits.isdigit() and unit in _UNITS):
        message = "is not an amount of memory, such as 8Gi"
        raise ValueError(message)
    return int(digits) * _UNITS[unit] // _MIB


def _set(variable: str, parse: Callable[[str], int]) -> int | None:
    """What a variable says; None if it is unset."""
    text = os.environ.get(variable, "")
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        message = f"{variable}={text} {error}"
        raise InvalidSlotsError(message) from None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
