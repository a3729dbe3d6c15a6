"""What a job keeps on disk, in its own directory.

A whole file is replaced in one step, and lines are appended; a reader, or a worker that starts
after a SIGKILL, never sees half of anything.

    dataset         the data set, fetched once
    checkpoint.skops   the pipeline after an epoch, to resume from
    metrics.jsonl   one line per epoch, while training
    folds.jsonl     one line per fold of a cross-validation
    model.skops     the trained pipeline, when trained
    model.onnx      the same as ONNX, if that was asked for
    report.json     how good it is, when trained
    scores.json     the numbers of the report by name
    tracking.json   where the training is tracked
    train.log       what happened, line by line
    outcome.json    how it ended
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINES = 1000
_TAIL_BYTES = 4096  # many times the metrics of an epoch


class LogOffsetError(ValueError):
    """A log offset is not one that a former page answered."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `finished` or `failed`, and why."""

    status: str
    message: str


@dataclass(frozen=True)
class LogPage:
    """Complete lines of a log, and the offset (bytes) at which the next page starts."""

    lines: list[str]
    next_offset: int
    at_end: bool


class JobFiles:
    """The directory of one job."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`; `create` makes it."""
        self.directory = directory
        self.dataset = directory / "dataset"
        self.checkpoint = directory / "checkpoint.skops"
        self.model = directory / "model.skops"
        self.log = directory / "train.log"
        self.onnx = directory / "model.onnx"
        self.report = directory / "report.json"
        self._scores = directory / "scores.json"
        self._epochs = directory / "metrics.jsonl"
        self._folds = directory / "folds.jsonl"
        self._tracking = directory / "tracking.json"
        self._outcome = directory / "outcome.json"

    def create(self) -> None:
        """Make the directory, readable by its owner only."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the job; a worker that a dead service left behind is waited for."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def replacing(self, path: Path) -> Iterator[IO[bytes]]:
        """Write a file that appears under `path` only when it is complete."""
        partial = path.with_name(f"{path.name}.partial")
        with partial.open("wb") as file:
            yield file
        partial.replace(path)

    def append_epoch(self, metrics: dict[str, Any]) -> None:
        """Add the metrics of one epoch."""
        _append(self._epochs, metrics)

    def epochs(self, after: int = 0) -> list[dict[str, Any]]:
        """Answer the metrics of each epoch past number `after`, in order."""
        return _whole_lines(self._epochs)[after:]

    def append_fold(self, scores: dict[str, float]) -> None:
        """Add the scores of a fold of the cross-validation."""
        _append(self._folds, scores)

    def folds(self) -> list[dict[str, float]]:
        """Answer the scores of each fold that was measured, in order."""
        return _whole_lines(self._folds)

    def last_epoch(self) -> dict[str, Any] | None:
        """Answer the metrics of the last whole epoch, None before the first."""
        try:
            with self._epochs.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return None
        return json.loads(lines[-1]) if lines else None

    def checkpoint_version(self) -> int:
        """Answer a number that changes with each checkpoint, 0 without one."""
        try:
            return self.checkpoint.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def keep_epochs(self, count: int) -> None:
        """Forget every epoch past the first `count`: they are trained again."""
        kept = self.epochs()[:count]
        with self.replacing(self._epochs) as file:
            file.writelines(f"{json.dumps(metrics)}\n".encode() for metrics in kept)

    def write_report(self, report: dict[str, Any], scores: dict[str, float]) -> None:
        """Write the report, and its numbers by name."""
        self._write_json(self.report, report)
        self._write_json(self._scores, scores)

    def scores(self) -> dict[str, float] | None:
        """Answer the report's numbers by name, None before the training has ended."""
        scores: dict[str, float] | None = _read_json(self._scores)
        return scores

    def write_tracking(self, url: str) -> None:
        """Record the page of the training on a tracking server."""
        self._write_json(self._tracking, {"url": url})

    def tracking_url(self) -> str | None:
        """Answer the page of the training on a tracking server."""
        return (_read_json(self._tracking) or {}).get("url")

    def outcome(self) -> Outcome | None:
        """Answer how the job ended, None as long as it has not."""
        read = _read_json(self._outcome)
        return None if read is None else Outcome(**read)

    def write_outcome(self, outcome: Outcome) -> None:
        """Record how the job ended: the last thing that a worker does."""
        self._write_json(self._outcome, asdict(outcome))

    def discard_work(self) -> None:
        """Delete what only an unfinished training needs."""
        self.dataset.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def log_line(self, text: str) -> None:
        """Add a line to the log, in the form that a worker gives its own."""
        moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        with self.log.open("a") as file:
            file.write(f"{moment}Z INFO {text}\n")

    def log_page(self, offset: int, limit: int = MAX_LINES) -> LogPage:
        """Read up to `limit` complete lines from `offset` (bytes).

        Raises:
            LogOffsetError: The offset is negative or past the end.
        """
        size = self.log.stat().st_size if self.log.exists() else 0
        if not 0 <= offset <= size:
            message = f"offset must be from 0 to {size}, got {offset}"
            raise LogOffsetError(message)
        if size == 0:
            return LogPage([], 0, at_end=True)
        with self.log.open("rb") as file:
            file.seek(offset)
            lines = [line for line in _up_to(limit, file) if line.endswith(b"\n")]
        end = offset + sum(map(len, lines))
        texts = [line[:-1].decode(errors="replace") for line in lines]
        return LogPage(texts, end, at_end=len(lines) < limit)

    def _write_json(self, path: Path, value: object) -> None:
        with self.replacing(path) as file:
            file.write(json.dumps(value).encode())


def _append(path: Path, value: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(value) + "\n")


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The values of all lines that are complete."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _up_to(count: int, file: IO[bytes]) -> Iterator[bytes]:
    for _, line in zip(range(count), file, strict=False):
        yield line
