"""What the rounds found: medians, ratios to the limit, and whether the targets are reached."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.contender import Name

Samples = Mapping[Name, Sequence[float]]


@dataclass(frozen=True)
class Target:
    """A measure and what is to be reached.

    Args:
        measure: Its name.
        unit: Of its values.
        limit: The most that ours may be: in `unit`, or as a multiple of bare. None: only shown.
        against_bare: Whether `limit` is such a multiple.
    """

    measure: str
    unit: str
    limit: float | None = None
    against_bare: bool = False


@dataclass(frozen=True)
class Ratio:
    """Median and range of the quotients that the rounds gave."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as `1.07 (1.05..1.10)`."""
        return f"{self.middle:.2f} ({self.low:.2f}..{self.high:.2f})"


@dataclass(frozen=True)
class Row:
    """One measure's result. `samples` holds one value per round and contender."""

    target: Target
    samples: Samples

    def value(self, name: Name) -> float | None:
        """The median of a contender's rounds, None where it was not measured."""
        return median(self.samples[name]) if self.samples.get(name) else None

    def ratio(self, name: Name, base: Name) -> Ratio | None:
        """How many times `base` a contender needs, round by round."""
        pairs = zip(self.samples.get(name, ()), self.samples.get(base, ()), strict=False)
        ratios = [value / of for value, of in pairs if of]
        return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None

    @property
    def is_reached(self) -> bool | None:
        """Whether ours is within the limit, None where that cannot be said."""
        value = self.value(Name.OURS)
        if self.target.against_bare:
            ratio = self.ratio(Name.OURS, Name.BARE)
            value = ratio.middle if ratio else None
        if value is None or self.target.limit is None:
            return None
        return value <= self.target.limit


HEAD = ("measure", "bare", "ours", "peer", "ours/bare", "peer/bare", "ours/peer", "target", "")


def as_table(rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_json(rows: Sequence[Row]) -> str:
    """The rows with all samples, as a JSON list."""
    return json.dumps(
        [
            {
                "measure": row.target.measure,
                "unit": row.target.unit,
                "limit": row.target.limit,
                "against_bare": row.target.against_bare,
                "is_reached": row.is_reached,
                "samples": {name.value: list(values) for name, values in row.samples.items()},
            }
            for row in rows
        ],
        indent=2,
    )


def _cells(row: Row) -> tuple[str, ...]:
    unit = row.target.unit
    pairs = ((Name.OURS, Name.BARE), (Name.PEER, Name.BARE), (Name.OURS, Name.PEER))
    return (
        f"{row.target.measure} [{unit}]",
        *(_number(row.value(name)) for name in Name),
        *(str(row.ratio(name, base) or "-") for name, base in pairs),
        _limit(row.target),
        {True: "reached", False: "missed", None: ""}[row.is_reached],
    )


def _limit(target: Target) -> str:
    if target.limit is None:
        return ""
    return f"<= {target.limit:g} {'x bare' if target.against_bare else target.unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"
