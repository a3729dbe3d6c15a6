"""Inputs and outputs that a task declares, on the reference service: data sets of every kind, models that last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from flyte_connectors import DataFrame, Dir, File, TaskEnvironment
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_model_training import ModelTrainTask, Sweep
from flyte_connectors_training_service import object_stores
from flyte_connectors_training_service.model_files import TRUSTED_TYPES
from pyarrow import csv, parquet
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if TYPE_CHECKING:
    from pathlib import Path

    from flyte_connectors_training_service.testing import ServiceProcess


def table_of(features: Any, labels: Any) -> pa.Table:
    """A data set as a table."""
    return pa.table({**{f"x{i}": column for i, column in enumerate(features.T)}, "label": labels})


def split(features: Any, labels: Any, *, stratify: bool = True) -> Any:
    """The split that a training makes by default."""
    return train_test_split(features, labels, test_size=0.2, random_state=0, stratify=labels if stratify else None)


def predictions_of(model: File, features: Any) -> Any:
    """What a stored model predicts."""
    return skops.io.load(model.download_sync(), trusted=list(TRUSTED_TYPES)).predict(features)


def test_a_workflow_of_the_documents_trains_from_google_storage(
    service: ServiceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`data_prep` answers `gs://my-bucket/...`; the model lands in the task's S3, and loads from there."""
    monkeypatch.setenv("FLYTE_CONNECTORS_OUTPUT_PREFIX", "s3://bucket/outputs")
    uri = "gs://bucket/dataset.csv"
    features, labels = load_digits(return_X_y=True)
    store, key = object_stores.store(uri), object_stores.key(uri)
    with store.open_output_stream(key, metadata={"Content-Type": "text/csv"}) as file:
        csv.write_csv(table_of(features, labels), file)
    env = TaskEnvironment(name="hello_world")
    model_train_task = ModelTrainTask(name="model_train", endpoint=service.endpoint)

    @env.task
    def data_prep() -> str:
        return uri

    @env.task
    def train_model(epochs: int) -> File:
        return model_train_task(epochs=epochs, dataset_uri=data_prep())

    model = train_model(epochs=3)
    assert model.path.startswith("s3://bucket/outputs/")
    x, held_out, y, expected = split(features, labels)
    scaler, classifier = StandardScaler().fit(x), SGDClassifier(loss="log_loss")
    for epoch in range(3):
        classifier.set_params(random_state=epoch)
        classifier.partial_fit(scaler.transform(x), y, classes=np.unique(y))
    np.testing.assert_array_equal(predictions_of(model, held_out), classifier.predict(scaler.transform(held_out)))
    assert np.mean(predictions_of(model, held_out) == expected) > 0.9


def test_files_are_copied_into_the_storage_of_the_task(service: ServiceProcess, digits: Path) -> None:
    """Model and report: the service may forget them."""
    task = ModelTrainTask("train", service.endpoint, outputs={"model": File, "report": File})
    trained = task(epochs=1, dataset_uri=digits.as_uri())
    assert trained.model.path.startswith("file:///")
    with trained.report.open_sync("r") as file:
        report = json.load(file)
    assert skops.io.load(trained.model.download_sync()).n_features_in_ == len(report["features"])


@pytest.mark.parametrize("kind", [File, Dir, DataFrame])
def test_a_data_set_is_a_file_a_folder_or_a_table(service: ServiceProcess, tmp_path: Path, kind: type) -> None:
    """Iris and logistic regression: hyperparameters by their names, scores of scikit-learn alone."""
    features, labels = load_iris(return_X_y=True)
    table = table_of(features, labels)
    if kind is DataFrame:
        data: Any = DataFrame.from_local_sync(table.to_pandas())
    else:
        (tmp_path / "iris").mkdir()
        for number, part in enumerate((table[:90], table[90:])):
            parquet.write_table(part, tmp_path / "iris" / f"part-{number}.parquet")
        parquet.write_table(table, tmp_path / "iris.parquet")
        path = tmp_path / ("iris" if kind is Dir else "iris.parquet")
        data = kind.from_local_sync(path)
    task = ModelTrainTask(
        "iris",
        service.endpoint,
        inputs={"data": kind, "epochs": (int, 1), "C": float, "max_iter": (int, 500)},
        outputs={"validation_accuracy": float, "scores": dict[str, float], "model": File},
        parameters={"estimator": "LogisticRegression"},
    )
    trained = task(data=data, C=0.3)
    x, held_out, y, expected = split(features, labels)
    alone = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=500)).fit(x, y)
    assert trained.validation_accuracy == alone.score(held_out, expected)
    assert trained.scores["validation_accuracy"] == trained.validation_accuracy
    np.testing.assert_array_equal(predictions_of(trained.model, held_out), alone.predict(held_out))


def test_a_regression_scores_as_scikit_learn_alone(service: ServiceProcess, tmp_path: Path) -> None:
    """The diabetes data, boosted: R² on the rows held out."""
    features, target = load_diabetes(return_X_y=True)
    parquet.write_table(table_of(features, target), tmp_path / "diabetes.parquet")
    task = ModelTrainTask(
        "regression",
        service.endpoint,
        inputs={"data": File, "epochs": int, "learning_rate": float},
        outputs={"validation_r2": float},
        parameters={"estimator": "HistGradientBoostingRegressor"},
    )
    score = task(data=File(str(tmp_path / "diabetes.parquet")), epochs=15, learning_rate=0.2)
    x, held_out, y, expected = split(features, target, stratify=False)
    alone = make_pipeline(
        StandardScaler(),
        HistGradientBoostingRegressor(max_iter=15, learning_rate=0.2, random_state=0, early_stopping=False),
    )
    assert score == pytest.approx(alone.fit(x, y).score(held_out, expected), abs=1e-12)
    assert score > 0.2


def test_categories_score_as_scikit_learn_alone(service: ServiceProcess) -> None:
    """Texts and numbers with gaps; the model takes a row with a category that it never saw."""
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "city": generator.choice(["Bern", "Rome", "Oslo"], 400),
            "rooms": generator.integers(1, 6, 400),
            "area": generator.normal(90, 30, 400),
        }
    )
    price = frame["area"] * 3 + (frame["city"] == "Rome") * 100
    frame["label"] = np.where(price + generator.normal(0, 30, 400) > 300, "dear", "cheap")
    task = ModelTrainTask(
        "categories",
        service.endpoint,
        inputs={"data": DataFrame, "epochs": int, "hidden_layer_sizes": list[int]},
        outputs={"model": File, "validation_accuracy": float},
        parameters={"estimator": "MLPClassifier", "seed": 0},
    )
    trained = task(data=DataFrame.from_local_sync(frame), epochs=5, hidden_layer_sizes=[8])
    x, held_out, y, expected = split(frame.drop(columns="label").to_numpy(), frame["label"].to_numpy().astype(str))  # fmt: skip
    prepare = make_column_transformer(
        (StandardScaler(), [1, 2]), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0])
    )  # fmt: skip
    alone = MLPClassifier([8])
    for epoch in range(5):
        alone.set_params(random_state=epoch)
        alone.partial_fit(prepare.fit(x).transform(x), y, classes=np.unique(y))
    assert trained.validation_accuracy == alone.score(prepare.transform(held_out), expected)
    unseen = np.array([["Paris", 3, 200.0]], dtype=object)
    np.testing.assert_array_equal(predictions_of(trained.model, unseen), alone.predict(prepare.transform(unseen)))


def test_a_sweep_answers_with_the_best_model(service: ServiceProcess, digits: Path) -> None:
    """One task, many trainings."""
    task = ModelTrainTask(
        "sweep",
        service.endpoint,
        outputs={"model": File, "validation_accuracy": float},
        sweep=Sweep({"hyperparameters.alpha": [0.0001, 100.0], "seed": [0, 1]}),
    )
    trained = task(epochs=2, dataset_uri=digits.as_uri())
    newest = next(job for job in service.client.get("/jobs").json()["jobs"] if job["sweep"] is not None)
    trials = service.client.get(f"/jobs/{newest['job_id']}/trials").json()["trials"]
    assert trained.validation_accuracy == max(trial["score"] for trial in trials)
    assert skops.io.load(trained.model.download_sync())[-1].alpha == 0.0001


def test_files_stay_with_the_service_if_the_task_says_so(service: ServiceProcess, digits: Path) -> None:
    """A model may be large, and read once."""
    task = ModelTrainTask("train", service.endpoint, copy_outputs=False)
    model = task(epochs=1, dataset_uri=digits.as_uri())
    assert model.path.startswith(service.endpoint)


def test_a_missing_output_fails_the_task(service: ServiceProcess, digits: Path) -> None:
    """With its name: the service has no such score."""
    task = ModelTrainTask("train", service.endpoint, outputs={"test_accuracy": float})
    with pytest.raises(Exception, match="its output 'test_accuracy' is not a number"):
        task(epochs=1, dataset_uri=digits.as_uri())


@pytest.mark.parametrize(
    ("options", "inputs", "field"),
    [
        ({"outputs": {"when": bytes}}, {}, "outputs.when"),
        ({"outputs": {"weights": File}}, {}, "outputs.weights"),
        ({"inputs": {"data": File, "more": File, "epochs": int}}, {}, "dataset"),
        ({"inputs": {"data": DataFrame, "epochs": int}}, {"data": DataFrame(), "epochs": 1}, "inputs.data"),
        ({"inputs": {"dataset_uri": str, "epochs": int, "C": bytes}}, {"dataset_uri": "s3://a/b", "epochs": 1, "C": b""}, "inputs.C"),
    ],
)  # fmt: skip
def test_what_can_not_be_submitted_is_named(
    service: ServiceProcess, options: dict[str, Any], inputs: dict[str, Any], field: str
) -> None:
    """Before anything is started."""
    before = service.client.get("/jobs?limit=1").json()
    with pytest.raises(InvalidRequestError) as caught:
        ModelTrainTask("train", service.endpoint, **options)(
            **(inputs or {"epochs": 1, "dataset_uri": "s3://bucket/data.csv"})
        )
    assert caught.value.field == field
    assert service.client.get("/jobs?limit=1").json() == before
