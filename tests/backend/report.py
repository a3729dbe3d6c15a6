"""The results of the tasks, and of the external jobs, in one scenario."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .task import Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SERIES_BOUND = 100
MEMORY_BOUND_MB = 40.0
"""What a run may add to a replica: first uses cost something, a thousandth one must not."""

DOUBLED = "attempts with two jobs"
SECOND_JOBS = "tasks with two jobs"
ORPHANS = "orphaned jobs"
POLLS_WITHOUT = "discovery polls without the type"

COLUMNS = (
    ("scenario", "scenario"),
    ("against", "against"),
    ("replicas", "repl"),
    ("tasks", "tasks"),
    ("right", "right"),
    ("wrong", "wrong"),
    ("failed", "failed"),
    ("stranded", "stranded"),
    ("aborted", "aborted"),
    ("undeletable", "undel"),
    ("unfinished", "lost"),
    ("retries", "extra"),
    ("jobs", "jobs"),
    ("doubled", "doubled"),
    ("orphans", "orphans"),
    ("p99_ms", "p99 ms"),
    ("seconds", "s"),
)


@dataclass(frozen=True)
class Jobs:
    """The external jobs, counted from outside.

    Attributes:
        jobs: All that ever existed.
        twice: Tasks with more than one job that was not cancelled.
        doubled: Attempts with more than one: a create that must not be repeated was repeated.
        orphans: Jobs that were not cancelled and that the back end has no handle of.
        left_running: Jobs of aborted tasks that still run.
    """

    jobs: int
    twice: int
    doubled: int
    orphans: int
    left_running: int

    @classmethod
    def count(cls, tasks: Iterable[Task], jobs: Iterable[Mapping[str, Any]]) -> Jobs:
        """Match the vendor's list of jobs with what the back end knows."""
        handles = {(task.name, attempt) for task in tasks for attempt in task.handles}
        aborted = {task.name for task in tasks if task.outcome is Outcome.ABORTED}
        jobs = list(jobs)
        kept = [job for job in jobs if job["state"] in {"running", "succeeded"}]
        per_task = Counter(job["task"] for job in kept)
        per_attempt = Counter((job["task"], job["attempt"]) for job in kept)
        return cls(
            jobs=len(jobs),
            twice=sum(count > 1 for count in per_task.values()),
            doubled=sum(count > 1 for count in per_attempt.values()),
            orphans=sum(count - (attempt in handles) for attempt, count in per_attempt.items()),
            left_running=sum(job["state"] == "running" and job["task"] in aborted for job in kept),
        )


@dataclass
class Report:
    """The outcome of one scenario against one service.

    Attributes:
        right, wrong, failed, stranded, aborted, undeletable, unfinished: Tasks by `Outcome`.
        retries: Retries burned, so attempts beyond the first.
        allowed: How many of a flaw no service could have prevented, by the flaw's name.
        reason: Why these could not be.
        leaked: Places where the secret canary was seen, with counts.
        vanished: `ListConnectors` polls that lacked the task type.
        p50_ms, p99_ms: Latency of answered `GetTask` calls, in milliseconds.
        codes: Status codes by method.
        examples: The details of one call for each error among them.
        vendor_calls: How the vendor answered, by method.
        memory_mb: Resident memory of each replica before and after, where it lived through.
        series: Metric series of each replica before and after.
        notes: Whatever else the scenario counted.
    """

    replicas: int
    tasks: int
    seed: int
    scenario: str = ""
    against: str = ""
    right: int = 0
    wrong: int = 0
    failed: int = 0
    stranded: int = 0
    aborted: int = 0
    undeletable: int = 0
    unfinished: int = 0
    retries: int = 0
    jobs: int = 0
    twice: int = 0
    doubled: int = 0
    allowed: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    orphans: int = 0
    left_running: int = 0
    leaked: dict[str, int] = field(default_factory=dict)
    polls: int = 0
    vanished: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    vendor_calls: dict[str, int] = field(default_factory=dict)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    series: list[tuple[int, int]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def flaws(self) -> list[str]:
        """What is not as an operator wants it and could be, each with its number."""
        return _listed({what: count - self._excused(what, count) for what, count in self._counted.items()})

    @property
    def excuses(self) -> list[str]:
        """What is not as an operator wants it, and no service could have prevented."""
        return _listed({what: self._excused(what, count) for what, count in self._counted.items()})

    def _excused(self, what: str, count: float) -> float:
        return min(count, self.allowed.get(what, 0))

    @property
    def _counted(self) -> dict[str, float]:
        lost = self.tasks - self.right - self.aborted
        return {
            "tasks not right": lost,
            DOUBLED: self.doubled,
            SECOND_JOBS: max(self.twice - self.doubled, 0),
            ORPHANS: self.orphans,
            "jobs left running": self.left_running,
            POLLS_WITHOUT: self.vanished,
            "secrets leaked": sum(self.leaked.values()),
            "health checks failed": self.notes.get("health checks failed", 0),
            "calls answered CANCELLED": self.notes.get("rush CANCELLED", 0),
            "watches unanswered": self.notes.get("watches unanswered", 0),
            "series grown": _growth(self.series, SERIES_BOUND),
            "MB grown": _growth(self.memory_mb, MEMORY_BOUND_MB),
        }


def table(reports: Sequence[Report]) -> str:
    """The reports as an aligned table, one line each, with whatever the columns don't show."""
    rows = [[title for _, title in COLUMNS]]
    rows += [[_cell(getattr(report, name)) for name, _ in COLUMNS] for report in reports]
    remarks = ["flaws", *map(_remark, reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), remark])
        for row, remark in zip(rows, remarks, strict=True)
    )


def _remark(report: Report) -> str:
    """The flaws; behind them what is excused, and why."""
    excuses = f" ({'; '.join(report.excuses)}: {report.reason})" if report.excuses else ""
    return ("; ".join(report.flaws) or "none") + excuses


def _listed(counts: Mapping[str, float]) -> list[str]:
    return [f"{round(count)} {what}" for what, count in counts.items() if count]


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies; 0 for none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def _growth(looks: Iterable[tuple[float, float]], bound: float) -> float:
    """The largest growth, if it is beyond the bound."""
    growth = max((after - before for before, after in looks), default=0.0)
    return growth if growth > bound else 0.0


def _cell(value: Any) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
