"""The page "Connectors": the model-training connector and its task, with a real training service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flyte_connectors import ConnectorRegistry, File, Phase, run
from flyte_connectors.errors import TaskFailedError
from flyte_connectors_training_service.testing import ServiceProcess

from tests.specification.running import running_on


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The reference training service in a process of its own."""
    with ServiceProcess(tmp_path_factory.mktemp("training"), "--workers", "1") as service:
        yield service.endpoint


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small data set whose label is easy to learn."""
    path = tmp_path_factory.mktemp("data") / "dataset.csv"
    rows = [f"{number % 7},{number % 5},{int(number % 7 > 3)}" for number in range(200)]
    path.write_text("\n".join(["a,b,label", *rows]))
    return path.as_uri()


@pytest.mark.parametrize("place", ["local", "service"])
async def test_a_training_ends_with_its_model(place: str, load: Any, endpoint: str, dataset: str) -> None:
    """The task's output is the file that the training service names, and it is there."""
    page = load("connectors", "1_connector", "2_task")
    task = page.ModelTrainTask(name="model_train", endpoint=endpoint)
    async with running_on(place, page.ModelTrainingConnector):
        results = await task(epochs=2, dataset_uri=dataset)
    assert isinstance(results, File)
    assert results.path.startswith(endpoint)
    assert results.path.endswith("/artifacts/model.skops")
    model = await asyncio.to_thread(httpx.get, results.path)
    assert model.content.startswith(b"PK")  # it is a zip archive


def test_a_training_is_a_step_of_another_task(load: Any, endpoint: str, dataset: str) -> None:
    """`train_model` calls a function task and a connector's task; called, or run, as printed."""
    blocks = ("1_connector", "2_task", "3_usage")
    page = load("connectors", *blocks, endpoint=endpoint, dataset=dataset)
    ConnectorRegistry.register(page.ModelTrainingConnector)
    called = page.train_model(epochs=1)
    ran = run(page.train_model, epochs=1)
    assert ran.phase == Phase.SUCCEEDED
    for results in (called, ran.outputs()):
        assert httpx.get(results.path).content.startswith(b"PK")


@pytest.mark.parametrize("place", ["local", "service"])
async def test_a_training_that_takes_too_long_is_cancelled(place: str, load: Any, endpoint: str, dataset: str) -> None:
    """The task's timeout ends in a DELETE at the training service."""
    page = load("connectors", "1_connector", "2_task")
    task = page.ModelTrainTask(name="model_train", endpoint=endpoint, timeout=1.0)
    async with running_on(place, page.ModelTrainingConnector):
        with pytest.raises(TaskFailedError, match="task 'model_train' timed out after 1 s"):
            await task(epochs=10_000, dataset_uri=dataset)
    jobs = await asyncio.to_thread(httpx.get, endpoint)
    job = jobs.json()["jobs"][0]
    assert job["spec"]["epochs"] == 10_000
    assert job["status"] == "cancelled"


def test_a_page_without_the_registration_says_what_is_missing(
    load: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page does not show it, and no installed plugin stands in here."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    page = load("connectors", "1_connector", "2_task")
    task = page.ModelTrainTask(name="model_train", endpoint=endpoint)
    with pytest.raises(LookupError, match="no connector for task type 'external_model_training'"):
        task(epochs=1, dataset_uri="file:///nowhere")
