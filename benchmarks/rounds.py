"""Rounds: every contender is measured in each of them, another one first each time."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Protocol

from benchmarks.report import Row, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.contender import Contender, Name

Found = dict[str, float]
"""Values by the names of the targets; a name is missing where a contender has nothing like it."""


class Measure(Protocol):
    """A module that measures."""

    @property
    def TARGETS(self) -> tuple[Target, ...]:  # noqa: N802  # a constant of the module
        """What it measures."""

    def measure(self, contenders: Sequence[Contender], *, quick: bool) -> Mapping[Name, Found]:
        """Measure each of `contenders` once, in this order."""


class MeasureOne(Protocol):
    """A function that measures one contender."""

    def __call__(self, contender: Contender, *, quick: bool) -> Found:
        """Measure it once."""


def one_after_another(measure: MeasureOne) -> Callable[..., Mapping[Name, Found]]:
    """Make a function that measures one contender measure several, each with nobody beside it."""

    @functools.wraps(measure)
    def measure_all(contenders: Sequence[Contender], *, quick: bool) -> Mapping[Name, Found]:
        return {each.name: measure(each, quick=quick) for each in contenders}

    return measure_all


def run_rounds(measure: Measure, contenders: Sequence[Contender], rounds: int, *, quick: bool) -> Iterator[Row]:
    """Measure the contenders `rounds` times. Yields a row for each target."""
    samples: dict[str, dict[Name, list[float]]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        found = measure.measure(rotated(contenders, number), quick=quick)
        for name, values in found.items():
            for measured, value in values.items():
                samples.setdefault(measured, {}).setdefault(name, []).append(value)
    for target in measure.TARGETS:
        yield Row(target, samples.get(target.measure, {}))


def rotated(contenders: Sequence[Contender], by: int) -> Sequence[Contender]:
    """The contenders in the same circle, starting `by` places later."""
    start = by % len(contenders)
    return [*contenders[start:], *contenders[:start]]
