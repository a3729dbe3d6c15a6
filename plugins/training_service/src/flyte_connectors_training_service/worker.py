"""Runs one job in a separate process.

The worker may die at any point, with its service or alone. The next one takes up the job after
the last checkpoint. The checkpoint is written after the epoch's metrics: what the metrics know
and the checkpoint does not is trained again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import skops.io

from flyte_connectors_training_service import dataset, fetching, training
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
        train(files, spec, sources)
    except DatasetError as error:
        _log.error("%s", error)
        return Outcome("failed", str(error))
    except Exception as error:
        # Without the error's text, which may quote the data.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("training failed: %s\n%s", type(error).__name__, where)
        return Outcome("failed", f"training failed: {type(error).__name__}, see the job's log")
    accuracy = (files.last_epoch() or {})["validation_accuracy"]
    message = f"trained {spec.epochs} epochs, validation accuracy {accuracy:.4f}"
    _log.info("%s", message)
    return Outcome("finished", message)


def train(files: JobFiles, spec: TrainingSpec, sources: Sources) -> None:
    """Train from the last checkpoint on and write the model.

    Raises:
        DatasetError: The data set cannot be trained on.
    """
    data = _split(files, spec, sources)
    model, done = _resumed(files) or (training.new_model(data), 0)
    files.keep_epochs(done)
    for metrics in training.train(model, data, spec, done):
        files.append_epoch({**asdict(metrics), "ended_at": round(time.time(), 3)})
        _save_checkpoint(files, model, metrics.epoch)
        _log.info(
            "epoch %d of %d: loss %.4f, accuracy %.4f, validation loss %.4f, accuracy %.4f",
            metrics.epoch,
            spec.epochs,
            metrics.loss,
            metrics.accuracy,
            metrics.validation_loss,
            metrics.validation_accuracy,
        )
    with files.replacing(files.model) as file:
        skops.io.dump(model, file)
    epochs = files.epochs()
    files.write_summary({"spec": spec.shown(), "final": epochs[-1], "epochs": epochs})


def _split(files: JobFiles, spec: TrainingSpec, sources: Sources) -> training.Split:
    if not files.dataset.exists():
        _log.info("fetching %s", spec.shown()["dataset_uri"])
        with files.replacing(files.dataset) as file:
            fetching.fetch(spec.dataset_uri, file, sources)
    rows = dataset.read(files.dataset, spec.label)
    data = training.split(rows, spec)
    _log.info(
        "%d rows for training, %d for validation, %d features, %d classes",
        len(data.train.labels),
        len(data.validation.labels),
        rows.features.shape[1],
        len(data.classes),
    )
    return data


def _resumed(files: JobFiles) -> tuple[Pipeline, int] | None:
    if not files.checkpoint.exists():
        return None
    checkpoint = skops.io.load(files.checkpoint)
    _log.info("resuming after epoch %d", checkpoint["epoch"])
    return checkpoint["model"], checkpoint["epoch"]


def _save_checkpoint(files: JobFiles, model: Pipeline, epoch: int) -> None:
    with files.replacing(files.checkpoint) as file:
        skops.io.dump({"epoch": epoch, "model": model}, file)
