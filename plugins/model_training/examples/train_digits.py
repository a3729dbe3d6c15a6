"""Train a classifier on handwritten digits, on the reference service, as a Flyte task.

    pip install "flyte-connectors-model-training[service]"
    python train_digits.py

The service runs for as long as this program does; its data stay in the folder `training-data`. With a
service of your own, and its progress and log on the terminal:

    flyte-connectors run train_digits.py train_model --service http://localhost:8080
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
from flyte_connectors import File, TaskEnvironment
from flyte_connectors_model_training import ModelTrainTask
from pyarrow import parquet
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path("training-data").absolute()
env = TaskEnvironment(name="digits")


@env.task
def data_prep() -> str:
    """Write the data set that ships with scikit-learn; answers its URI."""
    features, labels = load_digits(return_X_y=True)
    columns = {f"pixel_{index}": column for index, column in enumerate(features.T)}
    DATA.mkdir(exist_ok=True)
    path = DATA / "digits.parquet"
    parquet.write_table(pa.table({**columns, "label": labels}), path)
    return path.as_uri()


@env.task
def train_model(service: str, epochs: int = 30) -> File:
    """Train on the service at a URL, as a workflow does: a task that calls tasks."""
    model_train = ModelTrainTask(name="model_train", endpoint=service)
    return model_train(epochs=epochs, dataset_uri=data_prep())


@contextlib.contextmanager
def training_service() -> Iterator[str]:
    """Run the reference service, and return its endpoint."""
    command = [sys.executable, "-m", "flyte_connectors_training_service", "serve"]
    options = ["--data-dir", str(DATA), "--port", "0"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        yield service.stdout.readline().split()[-1]
        service.terminate()


def main() -> None:
    """Train, and show where to look."""
    DATA.mkdir(exist_ok=True)
    with training_service() as endpoint:
        print("training on the service ...", flush=True)
        model = train_model(endpoint)
        job = httpx.get(endpoint).json()["jobs"][0]
        print(f"model      {model.path}")
        print(f"accuracy   {job['metrics']['validation_accuracy']:.4f}")
        if sys.stdin.isatty():  # the page is there for as long as the service
            print(f"dashboard  {job['dashboard']}")
            input("Press Enter to stop the service. ")


if __name__ == "__main__":
    main()
