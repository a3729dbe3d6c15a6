"""Train a model with several settings, keep the best, and use it."""

import os

import skops.io
from flyte_connectors import DataFrame, File, TaskEnvironment
from flyte_connectors_model_training import ModelTrainTask, Sweep
from sklearn.datasets import load_wine

env = TaskEnvironment("wine")
train = ModelTrainTask(
    "train",
    os.environ.get("TRAINING_ENDPOINT", "http://127.0.0.1:8100/jobs"),
    inputs={"wines": DataFrame, "epochs": (int, 20)},
    outputs={"model": File, "test_accuracy": float},
    parameters={"label": "target", "test_fraction": 0.2, "early_stopping": 3},
    sweep=Sweep({"hyperparameters.alpha": [0.0001, 0.01], "seed": [0, 1]}),
)


@env.task
def best_model() -> tuple[float, str]:
    """How good the best of four models is, and what it says about a wine."""
    wines = load_wine(as_frame=True)
    trained = train(wines=DataFrame.from_local_sync(wines.frame))
    model = skops.io.load(trained.model.download_sync())
    predicted = int(model.predict(wines.data.head(1).to_numpy())[0])
    return trained.test_accuracy, str(wines.target_names[predicted])
