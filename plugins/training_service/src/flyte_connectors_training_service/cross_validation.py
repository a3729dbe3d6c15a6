"""Cross-validation: the same training on each part of the rows but one, measured on that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from flyte_connectors_training_service import evaluation, training
from flyte_connectors_training_service.estimators import CLASSIFICATION
from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_connectors_training_service.dataset import Dataset
    from flyte_connectors_training_service.training_spec import TrainingSpec


def folds(dataset: Dataset, spec: TrainingSpec, epochs: int, done: int) -> Iterator[dict[str, float]]:
    """Train and measure each fold from number `done` on.

    Args:
        dataset: All rows.
        spec: What to train.
        epochs: Of each fold: as many as the model was trained.
        done: How many folds have been measured before.

    Raises:
        DatasetError: A class has fewer rows than there are folds.
    """
    is_classes = spec.how.problem == CLASSIFICATION
    kind = StratifiedKFold if is_classes else KFold
    parts = kind(spec.folds, shuffle=True, random_state=spec.seed)
    smallest = np.unique(dataset.labels, return_counts=True)[1].min() if is_classes else spec.folds
    if min(smallest, len(dataset.labels)) < spec.folds:
        message = f"folds: a class has {smallest} rows, which is fewer than {spec.folds} folds"
        raise DatasetError(message)
    for number, (train, held_out) in enumerate(parts.split(dataset.features, dataset.labels)):
        if number < done:
            continue
        data = training.Split(dataset.rows(train), dataset.rows(held_out))
        model = training.new_model(data, spec)
        rows = training.prepared(model, data.train, spec)
        for epoch in range(epochs):
            training.advance(model[-1], rows, data.classes, spec, epoch)
        yield evaluation.scores(model, data.validation, spec, "")


def summary(measured: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and standard deviation of each measure over the folds."""
    names = measured[0] if measured else {}
    return {
        "folds": measured,
        "mean": {name: float(np.mean([fold[name] for fold in measured])) for name in names},
        "deviation": {name: float(np.std([fold[name] for fold in measured])) for name in names},
    }
