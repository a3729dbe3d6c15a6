"""Runs one job in a separate process.

The worker may die at any point, with its service or alone. The next one takes up the job after
the last checkpoint. The checkpoint is written after the epoch's metrics: what the metrics know
and the checkpoint does not is trained again.
"""

from __future__ import annotations

import copy
import logging
import os
import signal
import threading
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flyte_connectors_training_service import (
    cross_validation,
    dataset,
    fetching,
    model_files,
    results,
    tracking,
    training,
)
from flyte_connectors_training_service.job_files import JobFiles, Outcome
from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from sklearn.pipeline import Pipeline

    from flyte_connectors_training_service.sources import Sources
    from flyte_connectors_training_service.training_spec import TrainingSpec

_log = logging.getLogger("training")

_TRAINING_PER_CHECKPOINT = 4.0  # seconds of training for each second of writing checkpoints


def run(directory: Path, spec: TrainingSpec, sources: Sources, service_alive: Connection) -> None:
    """Train the job in `directory` and record how it ended.

    Args:
        directory: The job's own.
        spec: What to train.
        sources: Where the data may come from.
        service_alive: Reads its end when the service is gone; the worker ends then, too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to handle
    threading.Thread(target=_end_with_service, args=(service_alive,), daemon=True).start()
    files = JobFiles(directory)
    with files.locked(), _logging_to(files.log):
        if files.outcome() is None:
            files.write_outcome(_outcome_of_training(files, spec, sources))
            files.discard_work()


def _end_with_service(service_alive: Connection) -> None:
    try:
        service_alive.recv_bytes()
    except EOFError:
        os._exit(1)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path)
    log_to(handler)
    try:
        yield
    finally:
        _log.removeHandler(handler)
        handler.close()


def log_to(handler: logging.Handler) -> None:
    """Send the training's log lines to `handler`, each with its time (UTC, RFC 3339)."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s")
    formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)


def _outcome_of_training(files: JobFiles, spec: TrainingSpec, sources: Sources) -> Outcome:
    try:
        message = train(files, spec, sources)
    except DatasetError as error:
        _log.error("%s", error)
        return Outcome("failed", str(error))
    except Exception as error:
        # Without the error's text, which may quote the data.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("training failed: %s\n%s", type(error).__name__, where)
        return Outcome("failed", f"training failed: {type(error).__name__}, see the job's log")
    _log.info("%s", message)
    return Outcome("finished", message)


def train(files: JobFiles, spec: TrainingSpec, sources: Sources) -> str:
    """Train from the last checkpoint on, and write the model and its report; answers a summary.

    Raises:
        DatasetError: The data set cannot be trained on.
    """
    rows, data = _split(files, spec, sources)
    with tracking.tracked(files, spec) as run:
        model, kept = _trained(files, spec, data, run)
        if kept != files.last_epoch()["epoch"]:  # type: ignore[index]
            _log.info("keeping the model of epoch %d", kept)
        report = results.report(files.epochs(), kept, model, data, spec)
        if spec.folds:
            report["cross_validation"] = _cross_validated(files, rows, spec, kept)
        scores = results.flat(report)
        with files.replacing(files.model) as file:
            model_files.write(model, file)
        if "onnx" in spec.exports:
            with files.replacing(files.onnx) as file:
                model_files.write_onnx(model, data.train, file)
        files.write_report(report, scores)
        run.finish(files, model, scores)
    return results.summary(report, scores, spec)


def _trained(files: JobFiles, spec: TrainingSpec, data: training.Split, run: tracking.Run) -> tuple[Pipeline, int]:
    """Train all epochs; answers the model to keep, and the epoch that it is of."""
    state = _resumed(files) or {"epoch": 0, "model": training.new_model(data, spec)}
    done, model = state["epoch"], state["model"]
    files.keep_epochs(done)
    best = state.get("best")
    epoch, lowest = results.best_epoch(files.epochs(), spec)
    checkpointing = _Checkpoints(files)
    for metrics in training.train(model, data, spec, done):
        if metrics["validation_loss"] < lowest - (spec.min_delta if epoch else 0.0):
            epoch, lowest = int(metrics["epoch"]), metrics["validation_loss"]
            best = copy.deepcopy(model) if spec.keeps_best else None
        done = int(metrics["epoch"])
        measured = {**metrics, "best_epoch": epoch, "ended_at": round(time.time(), 3)}
        files.append_epoch(measured)
        run.log(measured)
        is_over = done == spec.epochs or bool(spec.early_stopping and done - epoch >= spec.early_stopping)
        checkpointing.offer({"epoch": done, "model": model, "best": best}, is_last=is_over)
        _log.info("epoch %d of %d: %s", done, spec.epochs, results.line(metrics, spec))
        if is_over:
            break
    if spec.keeps_best and best is not None:
        return best, epoch
    return model, done


class _Checkpoints:
    """Writes checkpoints, as often as costs little beside the training itself."""

    def __init__(self, files: JobFiles) -> None:
        self._files = files
        self._next = 0.0

    def offer(self, state: dict[str, Any], *, is_last: bool) -> None:
        """Write the state, unless the last one was written just now."""
        begun = time.monotonic()
        if begun < self._next and not is_last:
            return
        with self._files.replacing(self._files.checkpoint) as file:
            model_files.write(state, file)
        ended = time.monotonic()
        self._next = ended + _TRAINING_PER_CHECKPOINT * (ended - begun)


def _resumed(files: JobFiles) -> dict[str, Any] | None:
    if not files.checkpoint.exists():
        return None
    state: dict[str, Any] = model_files.read(files.checkpoint)
    _log.info("resuming after epoch %d", state["epoch"])
    return state


def _split(files: JobFiles, spec: TrainingSpec, sources: Sources) -> tuple[dataset.Dataset, training.Split]:
    if not files.dataset.exists():
        _log.info("fetching %s", spec.shown()["dataset_uri"])
        with files.replacing(files.dataset) as file:
            fetching.fetch(spec.dataset_uri, file, sources)
    rows = dataset.read(files.dataset, spec)
    data = training.split(rows, spec)
    counts = f"{len(data.train.labels)} rows for training, {len(data.validation.labels)} for validation"
    if data.test is not None:
        counts += f", {len(data.test.labels)} for the test"
    _log.info("%s, %d features (%d categories)", counts, len(rows.names), len(rows.categories))
    return rows, data


def _cross_validated(files: JobFiles, rows: dataset.Dataset, spec: TrainingSpec, epochs: int) -> dict[str, Any]:
    measured = files.folds()
    for fold in cross_validation.folds(rows, spec, epochs, len(measured)):
        measured.append(fold)
        files.append_fold(fold)
        _log.info("fold %d of %d: %s", len(measured), spec.folds, results.line(fold, spec))
    return cross_validation.summary(measured)
