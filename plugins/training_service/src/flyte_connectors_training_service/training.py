"""The epochs of a training: scikit-learn, and nothing else.

By default, a job trains what these lines train, to the last bit:

    model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss"))
    scaler, classifier = model[0].fit(features_train), model[1]
    for epoch in range(epochs):
        classifier.set_params(random_state=seed + epoch)
        classifier.partial_fit(scaler.transform(features_train), labels_train, classes=classes)

With another estimator, an epoch is what `estimators` says. Each epoch depends on the model before it and its
own number only, so a training that resumes after any epoch ends with the same model.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from flyte_connectors_training_service.estimators import CLASSIFICATION, ONCE, PASS, ROUND
from flyte_connectors_training_service.evaluation import loss_and_score
from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from flyte_connectors_training_service.dataset import Dataset
    from flyte_connectors_training_service.training_spec import TrainingSpec


@dataclass(frozen=True)
class Split:
    """The rows of a data set, held apart; those of classes in equal shares."""

    train: Dataset
    validation: Dataset
    test: Dataset | None = None

    @property
    def classes(self) -> NDArray[Any]:
        """The labels that occur, sorted."""
        labels: NDArray[Any] = np.unique(self.train.labels)
        return labels


def split(dataset: Dataset, spec: TrainingSpec) -> Split:
    """Hold out the rows to validate and to test on, as `train_test_split` does.

    Raises:
        DatasetError: There are too few rows, of a class or altogether.
    """
    rows: NDArray[np.intp] = np.arange(len(dataset.labels))
    test = None
    if spec.test_fraction:
        rows, test = _held_out(dataset, rows, spec.test_fraction, spec)
    fraction = spec.validation_fraction / (1 - spec.test_fraction)
    train, validation = _held_out(dataset, rows, fraction, spec)
    return Split(dataset.rows(train), dataset.rows(validation), None if test is None else dataset.rows(test))


def _held_out(
    dataset: Dataset, rows: NDArray[np.intp], fraction: float, spec: TrainingSpec
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    by_class = dataset.labels[rows] if spec.how.problem == CLASSIFICATION else None
    try:
        kept, held_out = train_test_split(rows, test_size=fraction, random_state=spec.seed, stratify=by_class)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        message = f"the data set cannot be split for validation: {reason}"
        raise DatasetError(message) from error
    return kept, held_out


def new_model(data: Split, spec: TrainingSpec) -> Pipeline:
    """Make a pipeline whose last step is untrained; the steps before are fitted to the training rows."""
    rows = data.train
    columns = [StandardScaler()]
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    if not spec.how.has_missing and any(part.has_missing_numbers for part in parts):
        columns.insert(0, SimpleImputer(strategy="median", keep_empty_features=True))
    if rows.categories:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        steps: list[Any] = [
            ColumnTransformer(
                [
                    ("numbers", make_pipeline(*columns), list(rows.numbers)),
                    ("categories", encoder, list(rows.categories)),
                ]
            )
        ]
    else:
        steps = columns
    model = make_pipeline(*steps, _estimator(spec))
    model[:-1].fit(rows.features)
    return model


def _estimator(spec: TrainingSpec) -> Any:
    how = spec.how
    made = getattr(importlib.import_module(how.module), spec.estimator)()
    settings = {**how.settings, **spec.hyperparameters}
    return made.set_params(**settings)


@dataclass(frozen=True)
class Prepared:
    """Rows as the last step of a pipeline takes them."""

    features: NDArray[np.float64]
    labels: NDArray[Any]
    weights: NDArray[np.float64] | None = None


def prepared(model: Pipeline, rows: Dataset, spec: TrainingSpec) -> Prepared:
    """Rows to train the last step of a pipeline on, weighed as `spec` says."""
    features = model[:-1].transform(rows.features)
    return Prepared(features, rows.labels, _weights(rows.labels, spec))


def train(model: Pipeline, data: Split, spec: TrainingSpec, done: int) -> Iterator[dict[str, float]]:
    """Train `model` in place, from epoch `done` on, and yield what each epoch measured.

    Raises:
        DatasetError: The estimator refuses the rows.
    """
    prepare, estimator = model[:-1], model[-1]
    rows = prepared(model, data.train, spec)
    held_out = Prepared(prepare.transform(data.validation.features), data.validation.labels)
    for epoch in range(done, spec.epochs):
        advance(estimator, rows, data.classes, spec, epoch)
        loss, score = loss_and_score(estimator, rows.features, rows.labels, spec)
        held_out_loss, held_out_score = loss_and_score(estimator, held_out.features, held_out.labels, spec)
        name = score_name(spec)
        yield {
            "epoch": epoch + 1,
            "loss": loss,
            name: score,
            "validation_loss": held_out_loss,
            f"validation_{name}": held_out_score,
        }


def score_name(spec: TrainingSpec) -> str:
    """The name of the measure beside the loss."""
    return "accuracy" if spec.how.problem == CLASSIFICATION else "r2"


def advance(estimator: Any, rows: Prepared, classes: NDArray[Any], spec: TrainingSpec, epoch: int) -> None:
    """Train one epoch, the first of which is 0. Raises DatasetError if the rows are refused."""
    how = spec.how
    settings: dict[str, Any] = {}
    if how.has_seed:
        settings["random_state"] = spec.seed + (epoch if how.epoch == PASS else 0)
    if how.epoch == ROUND:
        settings[how.counter] = epoch + 1
    estimator.set_params(**settings)
    options: dict[str, Any] = {} if rows.weights is None else {"sample_weight": rows.weights}
    try:
        if how.epoch == PASS:
            if how.problem == CLASSIFICATION:
                options["classes"] = classes
            estimator.partial_fit(rows.features, rows.labels, **options)
        else:
            assert how.epoch in {ROUND, ONCE}
            estimator.fit(rows.features, rows.labels, **options)
    except ValueError as error:
        # Its text is about shapes and parameters; where it could quote the data, it is not shown.
        where = type(estimator).__name__
        message = f"{where} refuses the data set or its hyperparameters"
        raise DatasetError(message) from error


def _weights(labels: NDArray[Any], spec: TrainingSpec) -> NDArray[np.float64] | None:
    if spec.class_weight is None:
        return None
    by_class: Any = spec.class_weight
    if not isinstance(by_class, str):
        names = {str(label): label for label in np.unique(labels).tolist()}
        if unknown := sorted(set(by_class) - set(names)):
            message = f"class_weight: the label has no class {unknown[0]!r}"
            raise DatasetError(message)
        by_class = {names[name]: weight for name, weight in by_class.items()}
    weights: NDArray[np.float64] = compute_sample_weight(by_class, labels)
    return weights
