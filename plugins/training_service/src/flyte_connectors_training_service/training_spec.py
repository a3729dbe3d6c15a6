"""What a client asks the service to train."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from flyte_connectors_training_service import checks
from flyte_connectors_training_service.checks import Check
from flyte_connectors_training_service.estimators import (
    CLASSIFICATION,
    DEFAULT,
    ESTIMATORS,
    ONCE,
    Estimator,
)

MAX_EPOCHS = 10_000
MAX_FOLDS = 20
DATASET_SCHEMES = ("file", "gs", "http", "https", "s3")
BEST, LAST = "best", "last"
IMPUTE, DROP, REFUSE = "impute", "drop", "refuse"
_EXTRAS = {"onnx": "skl2onnx"}
_TRACKING_FIELDS = ("tracking_uri", "experiment", "run_name", "registered_model")


class TrainingSpecError(ValueError):
    """A field of the request is missing or unusable; the text names it."""


@dataclass(frozen=True)
class TrainingSpec:
    """A training, complete: the same spec gives the same model.

    Attributes:
        dataset_uri: A CSV or Parquet file with a header, or a folder of such: `file://`, `http(s)://`
            (a file only), `s3://` or `gs://`.
        epochs: 1 to `MAX_EPOCHS`; see `estimators` for what an epoch is.
        label: Name of the column to predict.
        validation_fraction: Share of the rows held out to measure each epoch on, between 0 and 1.
        seed: Seed of the split and of the training.
        estimator: Name of a class of scikit-learn.
        hyperparameters: Its parameters.
        features: Names of the columns to learn from; None for all but the label.
        categories: Names of columns that hold categories, though they hold numbers.
        missing: What happens to missing features: `impute` (by the median, or as a separate category),
            `drop` the row, or `refuse` the data set.
        class_weight: `balanced`, or weights by class.
        early_stopping: Stops after so many epochs without a lower validation loss; 0 never does.
        min_delta: How much lower counts.
        keep: Which epoch's model is the result, `best` or `last`; None for `best` with early stopping, else
            `last`.
        test_fraction: Share of the rows that only the trained model is measured on.
        folds: Of a cross-validation after the training; 0 for none.
        importances: Whether to measure how much each feature matters.
        exports: Further forms of the model: `onnx`.
        mlflow: Where the training is tracked: `tracking_uri`, `experiment`, `run_name`,
            `registered_model`, each optional.
    """

    dataset_uri: str
    epochs: int
    label: str = "label"
    validation_fraction: float = 0.2
    seed: int = 0
    estimator: str = DEFAULT
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    features: Sequence[str] | None = None
    categories: Sequence[str] = ()
    missing: str = IMPUTE
    class_weight: str | Mapping[str, float] | None = None
    early_stopping: int = 0
    min_delta: float = 0.0
    keep: str | None = None
    test_fraction: float = 0.0
    folds: int = 0
    importances: bool = False
    exports: Sequence[str] = ()
    mlflow: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            TrainingSpecError: Naming the field, its value and what it must be.
        """
        for name in ("categories", "exports"):  # lists in JSON, tuples where they are empty
            object.__setattr__(self, name, list(getattr(self, name)) or ())
        for name, check in _FIELDS.items():
            _require(name, getattr(self, name), check)
        if self.validation_fraction + self.test_fraction >= 1:
            message = "validation_fraction and test_fraction must leave rows to train on"
            raise TrainingSpecError(message)
        self._check_estimator()
        for export in self.exports:
            if importlib.util.find_spec(_EXTRAS[export]) is None:
                message = f"exports: {export} needs flyte-connectors-training-service[{export}] on the service"
                raise TrainingSpecError(message)
        if self.mlflow is not None and importlib.util.find_spec("mlflow") is None:
            message = "mlflow needs flyte-connectors-training-service[mlflow] on the service"
            raise TrainingSpecError(message)

    def _check_estimator(self) -> None:
        how = self.how
        for name, value in self.hyperparameters.items():
            if name not in how.parameters:
                known = ", ".join(sorted(how.parameters))
                message = f"hyperparameters: {self.estimator} has no {_shown(name)}; known are {known}"
                raise TrainingSpecError(message)
            _require(f"hyperparameters.{name}", value, how.parameters[name])
        if how.epoch == ONCE and self.epochs != 1:
            message = f"epochs must be 1: {self.estimator} is trained at once, got {self.epochs}"
            raise TrainingSpecError(message)
        if self.class_weight is not None and how.problem != CLASSIFICATION:
            message = f"class_weight: {self.estimator} has no classes"
            raise TrainingSpecError(message)
        if self.class_weight is not None and not how.has_weights:
            message = f"class_weight: {self.estimator} takes no weights"
            raise TrainingSpecError(message)

    @property
    def how(self) -> Estimator:
        """How its estimator is trained."""
        return ESTIMATORS[self.estimator]

    @property
    def keeps_best(self) -> bool:
        """Whether the best epoch's model is the result, and not the last one's."""
        return self.keep == BEST or (self.keep is None and self.early_stopping > 0)

    @classmethod
    def from_json(cls, body: object) -> TrainingSpec:
        """Read a decoded JSON body; raises TrainingSpecError where it is not a spec."""
        if not isinstance(body, dict):
            message = f"the body must be a JSON object, got {_shown(body)}"
            raise TrainingSpecError(message)
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(body) - known):
            message = f"unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}"
            raise TrainingSpecError(message)
        if missing := [name for name in ("dataset_uri", "epochs") if name not in body]:
            message = f"{missing[0]} is missing"
            raise TrainingSpecError(message)
        for name in ("categories", "exports"):
            if not isinstance(body.get(name, []), list):
                _require(name, body[name], _FIELDS[name])
        return cls(**body)

    def shown(self) -> dict[str, Any]:
        """Answer the fields for people: without the credentials that a URI may carry."""
        fields = {**dataclasses.asdict(self), "dataset_uri": without_credentials(self.dataset_uri)}
        if uri := (self.mlflow or {}).get("tracking_uri"):
            fields["mlflow"] = {**(self.mlflow or {}), "tracking_uri": without_credentials(uri)}
        return fields


def without_credentials(uri: str) -> str:
    """Drop user, password and query (where signed URLs carry their signature)."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


_SHOWN_CHARACTERS = 80


def _require(field: str, value: object, check: Check) -> None:
    if not check.accepts(value):
        message = f"{field} must be {check.rule}, got {_shown(value)}"
        raise TrainingSpecError(message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _is_dataset_uri(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable():
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in DATASET_SCHEMES and bool(parts.path)


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) and 0.0 < value < 1.0


def _are_weights(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and checks.above(0).accepts(weight) for name, weight in value.items()
    )


def _is_tracking(value: object) -> bool:
    return isinstance(value, dict) and all(
        name in _TRACKING_FIELDS and checks.NAME.accepts(text) for name, text in value.items()
    )


_FIELDS: Mapping[str, Check] = {
    "dataset_uri": Check(f"a URI with one of the schemes {', '.join(DATASET_SCHEMES)}", _is_dataset_uri),
    "epochs": checks.whole(1, MAX_EPOCHS),
    "label": checks.NAME,
    "validation_fraction": Check("between 0 and 1", _is_fraction),
    "seed": Check("an integer from 0 to 2**31", lambda value: checks.is_integer(value, 0, 2**31)),
    "estimator": checks.choice(*ESTIMATORS),
    "hyperparameters": Check("an object", lambda value: isinstance(value, dict)),
    "features": checks.NAMES | checks.NULL,
    "categories": Check(checks.NAMES.rule, lambda value: value == () or checks.NAMES.accepts(value)),
    "missing": checks.choice(IMPUTE, DROP, REFUSE),
    "class_weight": checks.choice("balanced", None) | Check("an object of numbers above 0 by class", _are_weights),
    "early_stopping": checks.whole(0, MAX_EPOCHS),
    "min_delta": checks.at_least(0),
    "keep": checks.choice(BEST, LAST, None),
    "test_fraction": Check("from 0 to under 1", lambda value: value == 0 or _is_fraction(value)),
    "folds": checks.choice(0) | checks.whole(2, MAX_FOLDS),
    "importances": checks.FLAG,
    "exports": Check(
        f"a list of {', '.join(_EXTRAS)}",
        lambda value: value == () or (isinstance(value, list) and all(one in _EXTRAS for one in value)),
    ),
    "mlflow": checks.NULL | Check(f"an object of texts by {', '.join(_TRACKING_FIELDS)}", _is_tracking),
}
