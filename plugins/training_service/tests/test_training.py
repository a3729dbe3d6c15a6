"""The model is scikit-learn's own, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from flyte_connectors_training_service import training
from flyte_connectors_training_service.dataset import Dataset, DatasetError
from flyte_connectors_training_service.training_spec import TrainingSpec
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SPEC = TrainingSpec("file:///digits.csv", epochs=8, seed=7)


def test_a_training_equals_scikit_learn_alone() -> None:
    """Same split, same seed: same coefficients, same accuracy."""
    features, labels = load_digits(return_X_y=True)
    data = training.split(Dataset(features, labels), SPEC)
    model = training.new_model(data, SPEC)
    metrics = list(training.train(model, data, SPEC, done=0))

    x, held_out, y, held_out_labels = train_test_split(features, labels, test_size=0.2, random_state=7, stratify=labels)
    expected = make_pipeline(StandardScaler().fit(x), SGDClassifier(loss="log_loss"))
    for epoch in range(8):
        expected[1].set_params(random_state=7 + epoch)
        expected[1].partial_fit(expected[0].transform(x), y, classes=np.unique(labels))

    np.testing.assert_array_equal(model[1].coef_, expected[1].coef_)
    assert metrics[-1]["validation_accuracy"] == expected.score(held_out, held_out_labels)
    assert metrics[-1]["validation_accuracy"] > 0.92


def test_the_loss_falls() -> None:
    """Epochs improve the model, and are numbered from 1."""
    data = training.split(Dataset(*load_digits(return_X_y=True)), SPEC)
    metrics = list(training.train(training.new_model(data, SPEC), data, SPEC, done=0))
    assert [epoch["epoch"] for epoch in metrics] == list(range(1, 9))
    assert metrics[-1]["loss"] < metrics[0]["loss"]


def test_a_class_that_seems_impossible_has_a_finite_loss() -> None:
    """Features far out drive all probabilities to zero; scikit-learn 1.7 then answers NaN."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 3)) * [1e6, 1.0, 1e-6]
    features[0] = -1e9
    data = training.split(Dataset(features, generator.integers(0, 3, size=60)), SPEC)
    metrics = list(training.train(training.new_model(data, SPEC), data, SPEC, done=0))
    assert all(np.isfinite([epoch["loss"], epoch["validation_loss"]]).all() for epoch in metrics)


def test_too_few_rows_of_a_class_cannot_be_split() -> None:
    """A class with one row has nothing left to validate on."""
    with pytest.raises(DatasetError, match=r"cannot be split for validation: .*only 1 member"):
        training.split(Dataset(np.ones((4, 1)), np.array(["a", "a", "a", "b"])), SPEC)
