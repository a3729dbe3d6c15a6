"""What was tried, and what fell."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = 5
CHARACTERS = 1500


@dataclass
class Row:
    """One kind of attack.

    Attributes:
        tried: How many attacks of this kind.
        fell: How many of them did what must not be done.
        examples: What the first of those did.
        skipped: Why some or all were not tried.
    """

    part: str
    case: str
    tried: int = 0
    fell: int = 0
    examples: list[str] = field(default_factory=list)
    skipped: str = ""


@dataclass
class Tally:
    """The rows of one part, in the order in which they came.

    Attributes:
        notes: Numbers worth knowing, such as latencies.
    """

    part: str
    rows: dict[str, Row] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def tried(self, case: str, count: int = 1) -> None:
        """Count attacks."""
        self._row(case).tried += count

    def fell(self, case: str, what: str, *, alike: str = "") -> None:
        """Count one attack that succeeded, and keep what it did; `tried` counts it as well.

        Args:
            case: The row.
            what: What it did.
            alike: What begins the examples that are like it: the first of them is kept.
        """
        row = self._row(case)
        row.fell += 1
        is_known = any(example.startswith(alike or what) for example in row.examples)
        if len(row.examples) < EXAMPLES and not is_known:
            row.examples.append(what[:CHARACTERS])

    def skipped(self, case: str, why: str) -> None:
        """Say that a kind of attack can't be tried here."""
        self._row(case).skipped = why

    def add(self, other: dict[str, Any]) -> None:
        """Add what another process has tallied; see `to_json`."""
        for fields in other["rows"]:
            row = self._row(fields["case"])
            row.tried += fields["tried"]
            row.fell += fields["fell"]
            row.examples = (row.examples + fields["examples"])[:EXAMPLES]
            row.skipped = row.skipped or fields["skipped"]
        self.notes |= other["notes"]

    def to_json(self) -> str:
        """One line of JSON."""
        rows = [dataclasses.asdict(row) for row in self.rows.values()]
        return json.dumps({"part": self.part, "rows": rows, "notes": self.notes})

    @property
    def fallen(self) -> int:
        """How many attacks succeeded."""
        return sum(row.fell for row in self.rows.values())

    def _row(self, case: str) -> Row:
        return self.rows.setdefault(case, Row(self.part, case))


def table(tallies: Iterable[Tally]) -> str:
    """All rows, aligned; below them what fell, and the notes."""
    tallies = list(tallies)
    rows = [row for tally in tallies for row in tally.rows.values()]
    cells = [("part", "case", "tried", "fell", "")]
    for row in rows:
        remark = f"skipped: {row.skipped}" if row.skipped else ""
        cells.append((row.part, row.case, f"{row.tried:,}", str(row.fell), remark))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"{part:{widths[0]}}  {case:{widths[1]}}  {tried:>{widths[2]}}  {fell:>{widths[3]}}  {remark}"
        for part, case, tried, fell, remark in cells
    ]
    for row in rows:
        lines += [f"{row.part}/{row.case}: {example}" for example in row.examples]
    for tally in tallies:
        lines += [f"{tally.part}: {name} {value}" for name, value in tally.notes.items()]
    tried, fell = sum(row.tried for row in rows), sum(row.fell for row in rows)
    lines.append(f"{tried:,} attacks, {fell:,} fell")
    return "\n".join(line.rstrip() for line in lines)
