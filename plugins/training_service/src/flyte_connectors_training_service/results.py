"""What a training reports when it has ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import sklearn

from flyte_connectors_training_service import evaluation
from flyte_connectors_training_service.estimators import CLASSIFICATION
from flyte_connectors_training_service.model_files import TRUSTED_TYPES
from flyte_connectors_training_service.training import score_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

    from flyte_connectors_training_service.training import Split
    from flyte_connectors_training_service.training_spec import TrainingSpec


def best_epoch(epochs: Sequence[Mapping[str, Any]], spec: TrainingSpec) -> tuple[int, float]:
    """The epoch with the lowest validation loss, and that loss; 0 and infinity before the first.

    A loss that is lower by less than `min_delta` does not count.
    """
    best, lowest = 0, math.inf
    for epoch in epochs:
        if epoch["validation_loss"] < lowest - (spec.min_delta if best else 0.0):
            best, lowest = int(epoch["epoch"]), epoch["validation_loss"]
    return best, lowest


def report(
    epochs: Sequence[Mapping[str, Any]], kept: int, model: Pipeline, data: Split, spec: TrainingSpec
) -> dict[str, Any]:
    """The report on a model.

    Args:
        epochs: What each epoch measured.
        kept: The epoch that the model is of.
        model: The model.
        data: The rows.
        spec: What was trained.
    """
    judged = data.validation if data.test is None else data.test
    found: dict[str, Any] = {
        "spec": spec.shown(),
        "scikit_learn": sklearn.__version__,
        "trusted_types": list(TRUSTED_TYPES),
        "rows": {
            "training": len(data.train.labels),
            "validation": len(data.validation.labels),
            "test": 0 if data.test is None else len(data.test.labels),
        },
        "features": list(data.train.names),
        "categories": [data.train.names[position] for position in data.train.categories],
        "best_epoch": best_epoch(epochs, spec)[0],
        "kept_epoch": kept,
        "final": dict(epochs[kept - 1]),
        "validation": evaluation.scores(model, data.validation, spec, ""),
        "epochs": list(epochs),
    }
    if data.test is not None:
        found["test"] = evaluation.scores(model, data.test, spec, "")
    if spec.how.problem == CLASSIFICATION:
        found["confusion"] = evaluation.confusion(model, judged)
    if spec.importances:
        found["importances"] = evaluation.importances(model, judged, spec)
    return found


def flat(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report by one name each, such as `test_accuracy`."""
    scores = {name: value for name, value in report["final"].items() if name not in {"epoch", "best_epoch", "ended_at"}}
    for part in ("validation", "test"):
        scores |= {f"{part}_{name}": value for name, value in report.get(part, {}).items()}
    validated = report.get("cross_validation", {})
    scores |= {f"cross_validation_{name}": value for name, value in validated.get("mean", {}).items()}
    scores["best_epoch"] = float(report["best_epoch"])
    scores["kept_epoch"] = float(report["kept_epoch"])
    return scores


def line(metrics: Mapping[str, float], spec: TrainingSpec) -> str:
    """The measures of an epoch or a fold in a line of the log."""
    name = score_name(spec)
    text = f"loss {metrics['loss']:.4f}, {name} {metrics[name]:.4f}"
    if "validation_loss" in metrics:
        text += f", validation loss {metrics['validation_loss']:.4f}, {name} {metrics[f'validation_{name}']:.4f}"
    return text


def summary(report: Mapping[str, Any], scores: Mapping[str, float], spec: TrainingSpec) -> str:
    """How the training ended, in one line."""
    trained, name = len(report["epochs"]), score_name(spec)
    text = f"trained {trained} epochs"
    if trained < spec.epochs:
        text = f"stopped after {trained} of {spec.epochs} epochs"
    if report["kept_epoch"] != trained:
        text += f", kept epoch {report['kept_epoch']}"
    text += f", validation {name} {scores[f'validation_{name}']:.4f}"
    if f"test_{name}" in scores:
        text += f", test {name} {scores[f'test_{name}']:.4f}"
    return text
