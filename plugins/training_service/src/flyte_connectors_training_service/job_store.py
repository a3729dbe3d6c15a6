"""The jobs and their status, in SQLite.

A job is `queued`, then `running`, then one of `finished`, `failed` and `cancelled`; it never goes
back. Requests and the supervisor share one store, from several threads.

A sweep is a job whose trials are jobs: nothing trains for the sweep itself, which has ended when all of its
trials have.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors_training_service.training_spec import TrainingSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT UNIQUE,
    spec TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued',
    message TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    sweep TEXT,
    parent TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
"""
# What a database of an older release lacks.
_NEWER_COLUMNS = ("sweep", "parent")
_COLUMNS = "job_id, spec, sweep, parent, status, message, created_at, started_at, ended_at"


class UnknownJobError(LookupError):
    """No job has this id."""


class JobConflictError(Exception):
    """The job id or idempotency key is taken by a job with another spec."""


@dataclass(frozen=True)
class Job:
    """A job as the store knows it; times are in seconds since 1970.

    Attributes:
        sweep: What a sweep varies; None for a training.
        parent: The sweep that a training is a trial of.
    """

    job_id: str
    spec: TrainingSpec
    sweep: dict[str, Any] | None
    parent: str | None
    status: str
    message: str
    created_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.ended_at is not None


class JobStore:
    """The table of jobs."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path`, made on first use."""
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_SCHEMA)
        present = {row[1] for row in self._database.execute("PRAGMA table_info(jobs)")}
        for column in _NEWER_COLUMNS:
            if column not in present:
                self._database.execute(f"ALTER TABLE jobs ADD COLUMN {column} TEXT")
        self._database.execute("CREATE INDEX IF NOT EXISTS jobs_by_parent ON jobs (parent)")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def submit(
        self,
        job_id: str,
        key: str | None,
        spec: TrainingSpec,
        sweep: dict[str, Any] | None = None,
        trials: Mapping[str, TrainingSpec] | None = None,
    ) -> tuple[Job, bool]:
        """Add a job, once per id and per idempotency key; a sweep together with its trials.

        Args:
            job_id: Its id.
            key: The client's idempotency key.
            spec: What to train.
            sweep: What the sweep varies, if it is one.
            trials: Its trainings, by id.

        Returns:
            The job, and whether this call made it.

        Raises:
            JobConflictError: The id or the key belongs to another training.
        """
        encoded = None if sweep is None else json.dumps(sweep, sort_keys=True)
        rows: list[tuple[object, ...]] = [(job_id, key, _encoded(spec), time.time(), encoded, None)]
        rows += [
            (trial, None, _encoded(its_spec), time.time(), None, job_id) for trial, its_spec in (trials or {}).items()
        ]
        statement = (
            "INSERT INTO jobs (job_id, idempotency_key, spec, created_at, sweep, parent)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        )
        with self._lock, self._transaction():
            is_new = bool(self._database.execute(statement, rows[0]).rowcount)
            if is_new:
                self._database.executemany(statement, rows[1:])
        found = self._select("job_id = ? OR idempotency_key = ?", (job_id, key))
        if len(found) > 1 or found[0].spec != spec or found[0].sweep != sweep:
            message = f"job {found[0].job_id!r} exists with another spec: choose another id and key"
            raise JobConflictError(message)
        return found[0], is_new

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def job(self, job_id: str) -> Job:
        """Answer one job; raises UnknownJobError."""
        rows = self._select("job_id = ?", (job_id,))
        if not rows:
            message = f"no job {job_id!r}"
            raise UnknownJobError(message)
        return rows[0]

    def latest(self, limit: int) -> list[Job]:
        """Answer the newest jobs, newest first."""
        return self._select("1 ORDER BY number DESC LIMIT ?", (limit,))

    def trials(self, sweep_id: str) -> list[Job]:
        """Answer the trials of a sweep, in their order."""
        return self._select("parent = ? ORDER BY number", (sweep_id,))

    def unfinished(self, limit: int) -> list[Job]:
        """Answer the trainings to work on: those begun before a restart first, then the oldest."""
        condition = "status IN ('running', 'queued') AND sweep IS NULL ORDER BY status = 'queued', number LIMIT ?"
        return self._select(condition, (limit,))

    def unfinished_sweeps(self) -> list[Job]:
        """Answer the sweeps that have not ended."""
        return self._select("ended_at IS NULL AND sweep IS NOT NULL", ())

    def begin(self, job_id: str) -> bool:
        """Mark a job as running, and the sweep that it is of; answers whether it still is to run."""
        statement = (
            "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, ?)"
            " WHERE ended_at IS NULL AND job_id = "
        )
        changed = self._execute(f"{statement} ?", (time.time(), job_id))
        sweep = f"{statement} (SELECT parent FROM jobs WHERE job_id = ?)"  # noqa: S608
        self._execute(sweep, (time.time(), job_id))
        return changed == 1

    def end(self, job_id: str, status: str, message: str) -> None:
        """Record how a job ended; only the first call has an effect."""
        self._execute(
            "UPDATE jobs SET status = ?, message = ?, ended_at = ? WHERE job_id = ? AND ended_at IS NULL",
            (status, message, time.time(), job_id),
        )

    def cancel(self, job_id: str) -> None:
        """Cancel a job, and the trials of a sweep."""
        self.end(job_id, "cancelled", "cancelled by request")
        if (sweep := self.job(job_id)).status == "cancelled":
            for trial in self.trials(sweep.job_id):
                self.end(trial.job_id, "cancelled", "cancelled with its sweep")

    def _select(self, condition: str, parameters: tuple[object, ...]) -> list[Job]:
        # The condition is always one of this file's own.
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {condition}"  # noqa: S608
        with self._lock:
            rows = self._database.execute(query, parameters).fetchall()
        return [
            Job(
                job_id,
                TrainingSpec(**json.loads(spec)),
                None if sweep is None else json.loads(sweep),
                *rest,
            )
            for job_id, spec, sweep, *rest in rows
        ]

    def _execute(self, statement: str, parameters: tuple[object, ...]) -> int:
        with self._lock:
            return self._database.execute(statement, parameters).rowcount


def _encoded(spec: TrainingSpec) -> str:
    return json.dumps(asdict(spec), sort_keys=True)
