"""The epochs of a training: scikit-learn, and nothing else.

A job trains what these lines train, to the last bit:

    model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss"))
    scaler, classifier = model[0].fit(features_train), model[1]
    for epoch in range(epochs):
        classifier.set_params(random_state=seed + epoch)
        classifier.partial_fit(scaler.transform(features_train), labels_train, classes=classes)

Each epoch depends on the model before it and its own number only, so a training that resumes
after its last whole epoch ends with the same model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flyte_connectors_training_service.dataset import Dataset
from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from flyte_connectors_training_service.training_spec import TrainingSpec


@dataclass(frozen=True)
class Split:
    """The rows of a data set, held apart by class in equal shares."""

    train: Dataset
    validation: Dataset

    @property
    def classes(self) -> NDArray[Any]:
        """The labels that occur, sorted."""
        labels: NDArray[Any] = np.unique(self.train.labels)
        return labels


@dataclass(frozen=True)
class EpochMetrics:
    """How good the model is after an epoch: log loss and accuracy (0 to 1)."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


def split(dataset: Dataset, spec: TrainingSpec) -> Split:
    """Hold out the validation rows, as `train_test_split(stratify=labels)` does.

    Raises:
        DatasetError: There are too few rows, of a class or altogether.
    """
    try:
        features, held_out_features, labels, held_out_labels = train_test_split(
            dataset.features,
            dataset.labels,
            test_size=spec.validation_fraction,
            random_state=spec.seed,
            stratify=dataset.labels,
        )
    except ValueError as error:
        message = (
            f"the data set cannot be split for validation: {' '.join(str(error).split())[:300]}"
        )
        raise DatasetError(message) from error
    return Split(Dataset(features, labels), Dataset(held_out_features, held_out_labels))


def new_model(data: Split) -> Pipeline:
    """Make an untrained pipeline, scaled to the training rows."""
    return make_pipeline(StandardScaler().fit(data.train.features), SGDClassifier(loss="log_loss"))


def train(model: Pipeline, data: Split, spec: TrainingSpec, done: int) -> Iterator[EpochMetrics]:
    """Train `model` in place, from epoch `done` on, and yield after each epoch."""
    scaler, classifier = model[0], model[1]
    train_features = scaler.transform(data.train.features)
    validation_features = scaler.transform(data.validation.features)
    for epoch in range(done, spec.epochs):
        classifier.set_params(random_state=spec.seed + epoch)
        classifier.partial_fit(train_features, data.train.labels, classes=data.classes)
        loss, accuracy = _score(classifier, train_features, data.train.labels)
        held_out = _score(classifier, validation_features, data.validation.labels)
        yield EpochMetrics(epoch + 1, loss, accuracy, *held_out)


def _score(
    classifier: SGDClassifier, features: NDArray[np.float64], labels: NDArray[Any]
) -> tuple[float, float]:
    loss = log_loss(labels, _probabilities(classifier, features), labels=classifier.classes_)
    return float(loss), float(np.mean(classifier.predict(features) == labels))


def _probabilities(classifier: SGDClassifier, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute `predict_proba`, also where every class is impossible: then all are as likely.

    scikit-learn 1.7 divides by zero there, as happens in the first epochs.
    """
    scores = expit(classifier.decision_function(features))
    if scores.ndim == 1:
        return np.column_stack([1 - scores, scores])
    totals = scores.sum(axis=1, keepdims=True)
    alike: NDArray[np.float64] = np.full_like(scores, 1 / scores.shape[1])
    np.divide(scores, totals, out=alike, where=totals > 0)
    return alike
