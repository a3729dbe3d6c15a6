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


def header() -> str:
    """The titles of the table."""
    return _line("part", "case", "tried", "fell", "")


def rows(tally: Tally) -> str:
    """The rows of one part."""
    return "\n".join(
        _line(
            row.part,
            row.case,
            f"{row.tried:,}",
            str(row.fell),
            f"skipped: {row.skipped}" if row.skipped else "",
        )
        for row in tally.rows.values()
    )


def summary(tallies: Iterable[Tally]) -> str:
    """What stands below the table: what fell, notes, and how many attacks there were."""
    tallies = list(tallies)
    all_rows = [row for tally in tallies for row in tally.rows.values()]
    lines = [f"{row.part}/{row.case}: {example}" for row in all_rows for example in row.examples]
    for tally in tallies:
        lines += [f"{tally.part}: {name} {value}" for name, value in tally.notes.items()]
    tried, fell = sum(row.tried for row in all_rows), sum(row.fell for row in all_rows)
    return "\n".join([*lines, f"{tried:,} attacks, {fell:,} fell"])


def _line(part: str, case: str, tried: str, fell: str, remark: str) -> str:
    return f"{part:9}  {case:46}  {tried:>9}  {fell:>5}  {remark}".rstrip()
