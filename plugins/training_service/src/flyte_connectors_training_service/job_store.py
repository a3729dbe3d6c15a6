"""The jobs and their status, in SQLite.

A job is `queued`, then `running`, then one of `finished`, `failed` and `cancelled`; it never goes
back. Requests and the supervisor share one store, from several threads.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flyte_connectors_training_service.training_spec import TrainingSpec

if TYPE_CHECKING:
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
    ended_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
"""
_COLUMNS = "job_id, spec, status, message, created_at, started_at, ended_at"


class UnknownJobError(LookupError):
    """No job has this id."""


class JobConflictError(Exception):
    """The job id or idempotency key is taken by a job with another spec."""


@dataclass(frozen=True)
class Job:
    """A job as the store knows it; times are in seconds since 1970."""

    job_id: str
    spec: TrainingSpec
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

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def submit(self, job_id: str, key: str | None, spec: TrainingSpec) -> tuple[Job, bool]:
        """Add a job, once per id and per idempotency key.

        Returns:
            The job, and whether this call made it.

        Raises:
            JobConflictError: The id or the key belongs to another training.
        """
        encoded = json.dumps(asdict(spec), sort_keys=True)
        is_new = self._execute(
            "INSERT INTO jobs (job_id, idempotency_key, spec, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (job_id, key, encoded, time.time()),
        )
        rows = self._select("job_id = ? OR idempotency_key = ?", (job_id, key))
        if len(rows) > 1 or rows[0].spec != spec:
            message = f"job {rows[0].job_id!r} exists with another spec: choose another id and key"
            raise JobConflictError(message)
        return rows[0], bool(is_new)

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

    def unfinished(self, limit: int) -> list[Job]:
        """Answer the jobs to work on: those begun before a restart first, then the oldest."""
        condition = "status IN ('running', 'queued') ORDER BY status = 'queued', number LIMIT ?"
        return self._select(condition, (limit,))

    def begin(self, job_id: str) -> bool:
        """Mark a job as running; answers whether it still is to run."""
        changed = self._execute(
            "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, ?)"
            " WHERE job_id = ? AND ended_at IS NULL",
            (time.time(), job_id),
        )
        return changed == 1

    def end(self, job_id: str, status: str, message: str) -> None:
        """Record how a job ended; only the first call has an effect."""
        self._execute(
            "UPDATE jobs SET status = ?, message = ?, ended_at = ?"
            " WHERE job_id = ? AND ended_at IS NULL",
            (status, message, time.time(), job_id),
        )

    def _select(self, condition: str, parameters: tuple[object, ...]) -> list[Job]:
        # The condition is always one of this file's own.
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {condition}"  # noqa: S608
        with self._lock:
            rows = self._database.execute(query, parameters).fetchall()
        return [
            Job(job_id, TrainingSpec(**json.loads(spec)), *rest) for job_id, spec, *rest in rows
        ]

    def _execute(self, statement: str, parameters: tuple[object, ...]) -> int:
        with self._lock:
            return self._database.execute(statement, parameters).rowcount
