"""Every estimator that can be named trains, resumes and comes back from its file."""

from __future__ import annotations

import copy
import importlib
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from flyte_connectors_training_service import evaluation, model_files, training
from flyte_connectors_training_service.dataset import Dataset
from flyte_connectors_training_service.estimators import (
    CLASSIFICATION,
    ESTIMATORS,
    ONCE,
    REGRESSION,
)
from flyte_connectors_training_service.training_spec import TrainingSpec, TrainingSpecError
from sklearn.datasets import load_diabetes, load_iris

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 2


def spec_of(name: str, **fields: Any) -> TrainingSpec:
    """A short training of an estimator."""
    epochs = 1 if ESTIMATORS[name].epoch == ONCE else EPOCHS
    return TrainingSpec("file:///data.csv", **{"epochs": epochs, "estimator": name, **fields})


def rows_of(problem: str) -> Dataset:
    """Iris, or the diabetes data set, with some values missing and a column of categories."""
    numbers, labels = (load_iris if problem == CLASSIFICATION else load_diabetes)(return_X_y=True)
    features = numbers.astype(object)
    features[::7, 0] = np.nan
    features[:, 1] = np.where(numbers[:, 1] > np.median(numbers[:, 1]), "high", "low")
    names = tuple(f"x{index}" for index in range(features.shape[1]))
    return Dataset(features, labels, names, categories=(1,))


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """A few epochs converge nowhere, and scikit-learn says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_resumes_after_any_epoch_to_the_same_model(name: str, tmp_path: Path) -> None:
    """With categories and missing values; what the file holds predicts the same."""
    spec = spec_of(name, seed=3)
    data = training.split(rows_of(spec.how.problem), spec)
    undisturbed = training.new_model(data, spec)
    expected = list(training.train(undisturbed, data, spec, done=0))
    model, measured = training.new_model(data, spec), []
    for epoch in range(spec.epochs):
        path = tmp_path / "model.skops"
        with path.open("wb") as file:
            model_files.write(model, file)
        model = model_files.read(path)
        measured.append(next(iter(training.train(model, data, spec, done=epoch))))
    assert measured == expected
    rows = data.validation.features
    np.testing.assert_array_equal(model.predict(rows), undisturbed.predict(rows))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_its_parameters_are_those_of_scikit_learn(name: str) -> None:
    """Each one exists there, and the default is among what may be set."""
    how = ESTIMATORS[name]
    made = getattr(importlib.import_module(how.module), name)()
    defaults = made.get_params()
    assert set(how.parameters) <= set(defaults)
    assert how.has_seed == ("random_state" in defaults)
    assert how.problem == (CLASSIFICATION if name.endswith(("Classifier", "NB", "SVC", "LogisticRegression")) else REGRESSION)  # fmt: skip
    for parameter, check in how.parameters.items():
        default = defaults[parameter]
        if parameter in how.settings:
            default = how.settings[parameter]
        default = list(default) if isinstance(default, tuple) else default
        assert check.accepts(default), f"{parameter}={default!r} must be {check.rule}"


@pytest.mark.parametrize(
    ("name", "hyperparameters", "reason"),
    [
        ("SGDClassifier", {"alpha": -1}, "hyperparameters.alpha must be a number from 0, got -1"),
        ("SGDClassifier", {"speed": 1}, "SGDClassifier has no 'speed'; known are alpha, average"),
        ("SGDClassifier", {"n_jobs": 64}, "has no 'n_jobs'"),
        ("RandomForestClassifier", {"max_depth": 0}, "must be an integer from 1 to 1000 or null"),
        ("RandomForestClassifier", {"max_depth": True}, "must be an integer"),
        ("MLPClassifier", {"hidden_layer_sizes": [10**9]}, "a list of up to 20 integers"),
        ("SVC", {"kernel": "precomputed"}, "one of 'linear', 'poly', 'rbf', 'sigmoid'"),
    ],
)
def test_a_wrong_hyperparameter_is_named(name: str, hyperparameters: Any, reason: str) -> None:
    """Before anything is started, with what it must be."""
    with pytest.raises(TrainingSpecError, match=reason):
        spec_of(name, hyperparameters=hyperparameters)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"estimator": "Ridge", "epochs": 3}, "epochs must be 1: Ridge is trained at once"),
        ({"estimator": "SGDRegressor", "class_weight": "balanced"}, "has no classes"),
        ({"estimator": "MLPClassifier", "class_weight": "balanced"}, "takes no weights"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "must leave rows to train on"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, Any], reason: str) -> None:
    """With the reason."""
    with pytest.raises(TrainingSpecError, match=reason):
        TrainingSpec("file:///data.csv", **{"epochs": 2, **fields})


def test_class_weights_are_those_of_scikit_learn() -> None:
    """Balanced ones, and those by class, whose names are texts in JSON."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels = load_iris(return_X_y=True)
    rows = Dataset(features[:120], labels[:120], tuple("abcd"))
    for given, weight in (("balanced", "balanced"), ({"2": 5.0}, {0: 1, 1: 1, 2: 5})):
        spec = spec_of("LogisticRegression", class_weight=given)
        data = training.split(rows, spec)
        model = training.new_model(data, spec)
        list(training.train(model, data, spec, done=0))
        alone = make_pipeline(StandardScaler(), LogisticRegression(class_weight=weight))
        alone.fit(data.train.features, data.train.labels)
        np.testing.assert_allclose(model[-1].coef_, alone[-1].coef_, rtol=1e-3)


def test_importances_find_the_feature_that_matters() -> None:
    """The one that decides comes first; noise matters little."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(300, 3))
    rows = Dataset(features, (features[:, 1] > 0).astype(int), ("noise", "signal", "more noise"))
    spec = spec_of("RandomForestClassifier")
    data = training.split(rows, spec)
    model = training.new_model(data, spec)
    list(training.train(model, data, spec, done=0))
    found = evaluation.importances(model, data.validation, spec)
    assert found[0]["feature"] == "signal"
    assert found[0]["mean"] > 0.3 > abs(found[1]["mean"])


@pytest.mark.parametrize("name", ["SGDClassifier", "RandomForestClassifier", "MLPClassifier", "Ridge"])
@pytest.mark.parametrize("has_categories", [False, True], ids=["numbers", "categories"])
def test_onnx_predicts_the_same(name: str, has_categories: bool) -> None:
    """With one input for all numbers, or one for each column where there are categories."""
    pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    spec = spec_of(name)
    rows = rows_of(spec.how.problem)
    if not has_categories:
        kept = [index for index in rows.numbers if index != 0]
        rows = Dataset(rows.features[:, kept].astype(float), rows.labels, tuple(rows.names[i] for i in kept))
    data = training.split(rows, spec)
    model = training.new_model(data, spec)
    list(training.train(model, data, spec, done=0))
    file = BytesIO()
    model_files.write_onnx(model, data.train, file)
    session = runtime.InferenceSession(file.getvalue())
    held_out = copy.copy(data.validation.features)
    if has_categories:
        inputs = {
            column: held_out[:, [position]].astype(str if position in rows.categories else np.float32)
            for position, column in enumerate(rows.names)
        }
        inputs = {n: v.astype(object) if v.dtype.kind == "U" else v for n, v in inputs.items()}
    else:
        inputs = {"features": held_out.astype(np.float32)}
    predicted = np.ravel(session.run(None, inputs)[0])
    if spec.how.problem == REGRESSION:
        np.testing.assert_allclose(predicted, model.predict(held_out), rtol=1e-2)
    else:
        assert np.mean(predicted == model.predict(held_out)) > 0.95
