"""What a worker does with a job's directory: epochs, the model to keep, the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from flyte_connectors_training_service import model_files, worker
from flyte_connectors_training_service.job_files import JobFiles
from flyte_connectors_training_service.sources import DatasetError, Sources
from flyte_connectors_training_service.training_spec import TrainingSpec
from pyarrow import csv
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels that say little of the features: a training overfits within a few epochs."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(120, 30)).round(6)
    labels = (features[:, 0] + generator.normal(size=120) * 2 > 0).astype(int)
    return written(tmp_path_factory.mktemp("noise") / "noise.csv", features, labels)


def written(path: Path, features: Any, labels: Any) -> Path:
    """Write a data set as CSV."""
    columns = {f"x{index}": column for index, column in enumerate(features.T)}
    csv.write_csv(pa.table({**columns, "label": labels}), path)
    return path


def trained(folder: Path, data: Path, **fields: Any) -> tuple[JobFiles, str, dict[str, Any]]:
    """Train in a new directory; answers its files, the summary and the report."""
    folder.mkdir()
    files = JobFiles(folder)
    message = worker.train(files, TrainingSpec(data.as_uri(), **fields), Sources(roots=None))
    return files, message, json.loads(files.report.read_text())


def test_early_stopping_stops_a_training_that_gets_no_better(noise: Path, tmp_path: Path) -> None:
    """The model is the best epoch's: what a training of just that many epochs gives."""
    files, message, report = trained(tmp_path / "patient", noise, epochs=200, early_stopping=5)
    losses = [epoch["validation_loss"] for epoch in report["epochs"]]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 5 < 200
    assert report["best_epoch"] == report["kept_epoch"] == best
    assert f"stopped after {best + 5} of 200 epochs, kept epoch {best}" in message
    shorter, _, _ = trained(tmp_path / "shorter", noise, epochs=best)
    kept, expected = model_files.read(files.model), model_files.read(shorter.model)
    np.testing.assert_array_equal(kept[-1].coef_, expected[-1].coef_)
    assert files.scores()["validation_loss"] == losses[best - 1]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_epoch_to_keep_can_be_chosen(noise: Path, tmp_path: Path, keep: str) -> None:
    """Also without early stopping, and the other way round with it."""
    epochs = 0 if keep == "best" else 3
    _, _, report = trained(tmp_path / "job", noise, epochs=20, keep=keep, early_stopping=epochs)
    best, last = report["best_epoch"], len(report["epochs"])
    assert best < last
    assert report["kept_epoch"] == (best if keep == "best" else last)


def test_a_resumed_training_keeps_the_same_best_epoch(noise: Path, tmp_path: Path) -> None:
    """The best model so far is in the checkpoint, with the last one."""
    spec = TrainingSpec(noise.as_uri(), 40, early_stopping=4)
    calm, _, expected = trained(tmp_path / "calm", noise, epochs=40, early_stopping=4)
    (tmp_path / "killed").mkdir()
    files = JobFiles(tmp_path / "killed")
    append, alive = files.append_epoch, expected["best_epoch"] + 2

    def die(metrics: dict[str, Any]) -> None:
        append(metrics)
        if metrics["epoch"] == alive:
            raise KeyboardInterrupt

    files.append_epoch = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        worker.train(files, spec, Sources(roots=None))
    files.append_epoch = append  # type: ignore[method-assign]
    worker.train(files, spec, Sources(roots=None))
    report = json.loads(files.report.read_text())
    assert report["kept_epoch"] == expected["kept_epoch"]
    assert report["validation"] == expected["validation"]
    kept, undisturbed = model_files.read(files.model), model_files.read(calm.model)
    np.testing.assert_array_equal(kept[-1].coef_, undisturbed[-1].coef_)


def test_a_regression_scores_as_scikit_learn_alone_on_rows_never_seen(tmp_path: Path) -> None:
    """A forest on the diabetes data: the split, the model and the test score are the library's own."""
    features, target = load_diabetes(return_X_y=True)
    path = written(tmp_path / "diabetes.csv", features, target)
    files, message, report = trained(
        tmp_path / "job", path, epochs=25, estimator="RandomForestRegressor", seed=4,
        test_fraction=0.25, validation_fraction=0.15, hyperparameters={"max_depth": 6},
    )  # fmt: skip
    x, x_test, y, y_test = train_test_split(features, target, test_size=0.25, random_state=4)
    x, _, y, _ = train_test_split(x, y, test_size=0.2, random_state=4)
    alone = make_pipeline(StandardScaler(), RandomForestRegressor(25, max_depth=6, random_state=4))
    score = alone.fit(x, y).score(x_test, y_test)
    assert report["test"]["r2"] == pytest.approx(score, abs=1e-12)
    assert files.scores()["test_r2"] == report["test"]["r2"] > 0.3
    assert f"test r2 {score:.4f}" in message
    assert report["rows"] == {"training": 264, "validation": 67, "test": 111}
    assert "confusion" not in report


def test_a_report_tells_how_good_a_classifier_is(digits: Path, tmp_path: Path) -> None:
    """Confusion matrix, importances and a cross-validation that is scikit-learn's."""
    files, _, report = trained(
        tmp_path / "job",
        digits,
        epochs=3,
        folds=3,
        importances=True,
        features=["x20", "x21", "x42"],
    )
    matrix = np.array(report["confusion"]["matrix"])
    accuracy = matrix.trace() / matrix.sum()
    assert accuracy == pytest.approx(files.scores()["validation_accuracy"])
    assert report["confusion"]["classes"] == list(range(10))
    assert {one["feature"] for one in report["importances"]} == {"x20", "x21", "x42"}
    folds = report["cross_validation"]["folds"]
    assert len(folds) == 3
    assert report["cross_validation"]["mean"]["accuracy"] == pytest.approx(
        np.mean([fold["accuracy"] for fold in folds])
    )
    assert files.scores()["cross_validation_accuracy"] == pytest.approx(accuracy, abs=0.15)


def test_folds_are_those_of_scikit_learn(noise: Path, tmp_path: Path) -> None:
    """One epoch of the default estimator in each, measured on the part left out."""
    files, _, report = trained(tmp_path / "job", noise, epochs=1, folds=4, seed=2)
    table = csv.read_csv(noise)
    labels = table["label"].to_numpy()
    features = np.column_stack([table[name].to_numpy() for name in table.column_names[:-1]])
    model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", max_iter=1, tol=None, random_state=2))
    parts = StratifiedKFold(4, shuffle=True, random_state=2)
    expected = cross_validate(model, features, labels, cv=parts)["test_score"]
    assert [fold["accuracy"] for fold in report["cross_validation"]["folds"]] == pytest.approx(expected)  # fmt: skip
    assert len(files.folds()) == 4


def test_more_folds_than_rows_of_a_class_are_refused(tmp_path: Path) -> None:
    """With the number of rows that there are."""
    path = tmp_path / "few.csv"
    path.write_text("x,label\n" + "".join(f"{n},{'ab'[n < 3]}\n" for n in range(30)))
    with pytest.raises(DatasetError, match="a class has 3 rows, which is fewer than 5 folds"):
        trained(tmp_path / "job", path, epochs=1, folds=5)
