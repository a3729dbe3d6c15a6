"""How good a model is: losses and scores, the confusion matrix, importances, cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.inspection import permutation_importance
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    zero_one_loss,
)

from flyte_connectors_training_service.estimators import CLASSIFICATION

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from flyte_connectors_training_service.dataset import Dataset
    from flyte_connectors_training_service.training_spec import TrainingSpec

_IMPORTANCE_ROWS = 2000
_IMPORTANCE_REPEATS = 5


def loss_and_score(
    estimator: Any, features: NDArray[np.float64], labels: NDArray[Any], spec: TrainingSpec
) -> tuple[float, float]:
    """Measure an estimator.

    Returns:
        Log loss and accuracy of a classifier (the share of wrong predictions instead of the log loss where it
        has no probabilities); mean squared error and R² of a regression.
    """
    if spec.how.problem != CLASSIFICATION:
        predicted = estimator.predict(features)
        return float(mean_squared_error(labels, predicted)), float(r2_score(labels, predicted))
    accuracy = float(np.mean(estimator.predict(features) == labels))
    if not spec.how.has_probabilities:
        return float(zero_one_loss(labels, estimator.predict(features))), accuracy
    probabilities = _probabilities(estimator, features)
    return float(log_loss(labels, probabilities, labels=estimator.classes_)), accuracy


def scores(model: Pipeline, rows: Dataset, spec: TrainingSpec, prefix: str) -> dict[str, float]:
    """Measure a whole pipeline on rows that it has not seen.

    Args:
        model: The pipeline.
        rows: What to measure on.
        spec: What was trained.
        prefix: Begins the name of each measure, such as `test_`.
    """
    features = model[:-1].transform(rows.features)
    loss, score = loss_and_score(model[-1], features, rows.labels, spec)
    predicted = model[-1].predict(features)
    if spec.how.problem == CLASSIFICATION:
        measures = {
            "loss": loss,
            "accuracy": score,
            "f1": float(f1_score(rows.labels, predicted, average="macro", zero_division=0.0)),
        }
    else:
        measures = {
            "loss": loss,
            "r2": score,
            "mean_absolute_error": float(mean_absolute_error(rows.labels, predicted)),
            "root_mean_squared_error": float(np.sqrt(loss)),
        }
    return {f"{prefix}{name}": value for name, value in measures.items()}


def confusion(model: Pipeline, rows: Dataset) -> dict[str, Any]:
    """The confusion matrix: `matrix[i][j]` rows of class i were taken for class j."""
    classes = model[-1].classes_
    matrix = confusion_matrix(rows.labels, model.predict(rows.features), labels=classes)
    return {"classes": classes.tolist(), "matrix": matrix.tolist()}


def importances(model: Pipeline, rows: Dataset, spec: TrainingSpec) -> list[dict[str, Any]]:
    """How much the score falls when a feature's values are shuffled; the greatest first."""
    chosen = np.random.default_rng(spec.seed).permutation(len(rows.labels))[:_IMPORTANCE_ROWS]
    found = permutation_importance(
        model,
        rows.features[chosen],
        rows.labels[chosen],
        n_repeats=_IMPORTANCE_REPEATS,
        random_state=spec.seed,
    )
    measured = [
        {"feature": name, "mean": float(mean), "deviation": float(deviation)}
        for name, mean, deviation in zip(rows.names, found.importances_mean, found.importances_std, strict=True)
    ]
    return sorted(measured, key=lambda one: one["mean"], reverse=True)


def _probabilities(classifier: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute `predict_proba`, also where every class is impossible: then all are as likely.

    scikit-learn 1.7 divides by zero there, as happens in the first epochs of a linear model.
    """
    if not isinstance(classifier, SGDClassifier) or classifier.loss != "log_loss":
        answered: NDArray[np.float64] = classifier.predict_proba(features)
        return answered
    computed = expit(classifier.decision_function(features))
    if computed.ndim == 1:
        return np.column_stack([1 - computed, computed])
    totals = computed.sum(axis=1, keepdims=True)
    alike: NDArray[np.float64] = np.full_like(computed, 1 / computed.shape[1])
    np.divide(computed, totals, out=alike, where=totals > 0)
    return alike
