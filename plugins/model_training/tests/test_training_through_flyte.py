"""The task of the documentation trains, wherever it runs, to what scikit-learn alone reaches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from flyte_connectors import ConnectorService, File, Phase, TaskEnvironment
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import TaskFailedError
from flyte_connectors.service.server import ServiceSettings
from flyte_connectors.tasks.current_run import CurrentRun, within_run
from flyte_connectors_model_training import ModelTrainingConnector, ModelTrainTask
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from pathlib import Path

    from flyte_connectors_training_service.testing import ServiceProcess

EPOCHS = 12


def accuracy_of_scikit_learn_alone() -> float:
    """Train on digits with the same split and seed, without anything of ours."""
    features, labels = load_digits(return_X_y=True)
    train, held_out, train_labels, held_out_labels = train_test_split(
        features, labels, test_size=0.2, random_state=0, stratify=labels
    )
    scaler, classifier = StandardScaler().fit(train), SGDClassifier(loss="log_loss")
    for epoch in range(EPOCHS):
        classifier.set_params(random_state=epoch)
        classifier.partial_fit(scaler.transform(train), train_labels, classes=np.unique(labels))
    return float(classifier.score(scaler.transform(held_out), held_out_labels))


def accuracy_of(model: File) -> float:
    """Measure a trained model on the rows held out."""
    features, labels = load_digits(return_X_y=True)
    _, held_out, _, held_out_labels = train_test_split(features, labels, test_size=0.2, random_state=0, stratify=labels)
    pipeline = skops.io.load(model.download_sync())
    return float(pipeline.score(held_out, held_out_labels))


def train_model_of(endpoint: str, dataset: Path) -> Any:
    """Make the documentation's example: a task inside an environment."""
    env = TaskEnvironment(name="hello_world")
    model_train_task = ModelTrainTask(name="model_train", endpoint=endpoint)

    @env.task
    def data_prep() -> str:
        return dataset.as_uri()

    @env.task
    def train_model(epochs: int) -> File:
        dataset_uri = data_prep()
        return model_train_task(epochs=epochs, dataset_uri=dataset_uri)

    return train_model


def test_the_example_trains_locally(service: ServiceProcess, digits: Path) -> None:
    """Called like a function, it gives a file with the model."""
    model = train_model_of(service.endpoint, digits)(epochs=EPOCHS)
    assert isinstance(model, File)
    assert accuracy_of(model) == accuracy_of_scikit_learn_alone()


async def test_the_task_trains_over_grpc(service: ServiceProcess, digits: Path) -> None:
    """Through a connector service and a client of it, the model is the same."""
    registry = Registry()
    registry.register(ModelTrainingConnector())
    host = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0))
    await host.start()
    task = ModelTrainTask(name="model_train", endpoint=service.endpoint)
    try:
        async with RemoteService(f"127.0.0.1:{host.port}") as client:
            with within_run(CurrentRun(client=client)):
                model = await task(epochs=EPOCHS, dataset_uri=digits.as_uri())
    finally:
        await host.stop()
    accuracy = await asyncio.to_thread(accuracy_of, model)
    assert accuracy == accuracy_of_scikit_learn_alone()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"x,label\n1,a\n2,a\n", "one class only")],
    ids=["missing", "one-class"],
)
async def test_a_bad_data_set_fails_the_task_with_the_reason(
    service: ServiceProcess, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """What the service found reaches whoever ran the task."""
    path = tmp_path / "data.csv"
    if content:
        path.write_bytes(content)
    task = ModelTrainTask(name="model_train", endpoint=service.endpoint)
    with pytest.raises(TaskFailedError, match=reason) as caught:
        await task(epochs=1, dataset_uri=path.as_uri())
    assert caught.value.phase == Phase.FAILED.name
