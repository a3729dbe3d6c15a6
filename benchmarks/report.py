"""What the rounds found: medians, ratios to the limit, and whether the targets are reached."""

from __future__ import annotations

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
        against_peer: Whether it is a multiple of the peer.
        asgi: The most with the transport `asgi`, where that differs.
    """

    measure: str
    unit: str
    limit: float | None = None
    against_bare: bool = False
    against_peer: bool = False
    asgi: float | None = None


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

    def is_reached(self, name: Name) -> bool | None:
        """Whether ours is within the limit, None where that cannot be said."""
        target = self.target
        limit = target.asgi if name is Name.ASGI and target.asgi is not None else target.limit
        value = self.value(name)
        if target.against_bare or target.against_peer:
            ratio = self.ratio(name, Name.BARE if target.against_bare else Name.PEER)
            value = ratio.middle if ratio else None
        return None if value is None or limit is None else value <= limit


HEAD = (
    *("measure", *(name.value for name in Name), "ours/bare", "asgi/bare", "peer/bare"),
    *("ours/peer", "target", "", "asgi", ""),
)


def as_table(rows: Sequence[Row]) -> str:
    """The rows as text, in columns."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows with all samples, as JSON has them."""
    return [
        {
            "measure": row.target.measure,
            "unit": row.target.unit,
            "limit": row.target.limit,
            "against_bare": row.target.against_bare,
            "against_peer": row.target.against_peer,
            "asgi_limit": row.target.asgi,
            "is_reached": row.is_reached(Name.OURS),
            "asgi_is_reached": row.is_reached(Name.ASGI),
            "samples": {name.value: list(values) for name, values in row.samples.items()},
        }
        for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    unit = row.target.unit
    pairs = (
        *((Name.OURS, Name.BARE), (Name.ASGI, Name.BARE), (Name.PEER, Name.BARE)),
        (Name.OURS, Name.PEER),
    )
    words = {True: "reached", False: "missed", None: ""}
    return (
        f"{row.target.measure} [{unit}]",
        *(_number(row.value(name)) for name in Name),
        *(str(row.ratio(name, base) or "-") for name, base in pairs),
        _limit(row.target, row.target.limit),
        words[row.is_reached(Name.OURS)],
        _limit(row.target, row.target.asgi),
        words[row.is_reached(Name.ASGI)],
    )


def _limit(target: Target, limit: float | None) -> str:
    if limit is None:
        return ""
    unit = "x bare" if target.against_bare else "x peer" if target.against_peer else target.unit
    return f"<= {limit:g} {unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"
