"""One training without a service, as the environment says."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import skops.io
from flyte_connectors_training_service import train_once as module
from flyte_connectors_training_service.train_once import train_once

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A small training whose model goes into a new folder."""
    path = tmp_path / "data.csv"
    path.write_text("x,kind\n" + "".join(f"{number},{number % 2}\n" for number in range(40)))
    return {
        "TRAINING_DATASET_URI": path.as_uri(),
        "TRAINING_EPOCHS": "2",
        "TRAINING_PARAMETERS": json.dumps({"label": "kind"}),
        "TRAINING_RESULTS_URI": (tmp_path / "results" / "model.skops").as_uri(),
    }


def test_the_model_is_where_the_environment_says(environment: dict[str, str], tmp_path: Path) -> None:
    """Nothing else is left there."""
    assert train_once(environment) == 0
    (model,) = (tmp_path / "results").iterdir()
    assert skops.io.load(model).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"TRAINING_EPOCHS": "many"}, 1, "many"),
        ({"TRAINING_PARAMETERS": '{"seed": -1}'}, 1, "seed must be"),
        ({"TRAINING_DATASET_URI": "file:///no/such/file.csv"}, 1, "No such file"),
        ({"TRAINING_RESULTS_URI": "http://example.org/model"}, 1, "TRAINING_RESULTS_URI 'http:"),
        ({"TRAINING_RESULTS_URI": None}, 2, "TRAINING_RESULTS_URI is not set"),
    ],
    ids=["epochs", "parameters", "data", "scheme", "unset"],
)
def test_a_bad_environment_is_named(
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str | None],
    status: int,
    reason: str,
) -> None:
    """In one line."""
    merged = {**environment, **change}
    assert train_once({name: text for name, text in merged.items() if text is not None}) == status
    assert reason in capsys.readouterr().err


def test_writers_of_one_model_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A job that was started twice ends twice, and its model is one of the two, whole."""
    results, models = tmp_path / "results" / "model.skops", []
    for number in range(4):
        models.append(tmp_path / f"model-{number}")
        models[-1].write_bytes(bytes([number]) * (number + 1) * 300_000)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(module._store, models * 20, [results.as_uri()] * 80))
    assert results.read_bytes() in {model.read_bytes() for model in models}
    assert [file.name for file in results.parent.iterdir()] == ["model.skops"]
