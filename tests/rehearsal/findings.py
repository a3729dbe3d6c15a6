"""What a rolling restart did to tasks, jobs and calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from tests.backend.report import Report

from .rolling import ROLLS


@dataclass(frozen=True)
class Findings:
    """The outcome of one rehearsal.

    Attributes:
        front: What stood between the back end and the replicas.
        scenario: Whether the proxy was told before.
        rolls: Restarts that were finished.
        lost: Tasks that did not end with the right outputs.
        doubled: Tasks with two jobs.
        orphans: Jobs without a task.
        retries: Attempts that users lost.
        calls: All calls of the back end.
        failed: Those that ended with an error, by method and status code.
        examples: The details of one call for each error among them.
        overdue: Replicas that outlived their grace time.
        seconds: That it took.
    """

    front: str
    scenario: str
    replicas: int
    rolls: int
    tasks: int
    lost: int
    doubled: int
    orphans: int
    retries: int
    calls: int
    failed: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    overdue: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, front: str, report: Report) -> Findings:
        """What a report says of it."""
        failed = {call: n for call, n in report.codes.items() if not call.endswith(" OK")}
        return cls(
            front=front,
            scenario=report.scenario,
            replicas=report.replicas,
            rolls=report.notes.get(ROLLS, 0),
            tasks=report.tasks,
            lost=report.tasks - report.right,
            doubled=report.twice,
            orphans=report.orphans,
            retries=report.retries,
            calls=sum(report.codes.values()),
            failed=failed,
            examples=report.examples,
            overdue=report.notes.get("overdue", 0),
            seconds=report.seconds,
        )

    @property
    def flaws(self) -> list[str]:
        """Results that must not occur; a failed call without consequences may."""
        counted = Counter(
            {
                "tasks lost": self.lost,
                "tasks doubled": self.doubled,
                "jobs orphaned": self.orphans,
                "retries burned": self.retries,
                "replicas overdue": self.overdue,
                "replicas never restarted": max(self.replicas - self.rolls, 0),
            }
        )
        return [f"{count} {what}" for what, count in counted.items() if count]


def table(findings: Sequence[Findings]) -> str:
    """One line each, aligned."""
    names = [column.name for column in fields(Findings) if column.name != "examples"]
    rows = [names, *([_cell(getattr(found, name)) for name in names] for found in findings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {call}" for call, count in value.items()) or "0"
    return str(value)
