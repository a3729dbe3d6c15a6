"""Train models behind an HTTP API, or on Ray, as a Flyte task.

    task = ModelTrainTask(name="train", endpoint="https://train.example.org/jobs")
    model = task(epochs=20, dataset_uri="s3://bucket/digits.parquet")

What a workflow author uses: `ModelTrainTask`, and for services with another API `TrainingApi`,
`Auth` and `RayTrainConfig`. What the service loads is `ModelTrainingConnector`.

A request passes through these modules, top to bottom:

- `task` the task class
- `config` the configuration of a task
- `connector` the verbs
- `client` what a training platform can do: start, state, cancel, logs, metrics
- `training_service`, `ray_jobs` the two platforms, over `flyte_connectors.http`
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyte_connectors_model_training.config import Auth, RayTrainConfig, TrainingApi
    from flyte_connectors_model_training.connector import (
        ModelTrainingConnector,
        ModelTrainJobMeta,
    )
    from flyte_connectors_model_training.task import ModelTrainTask

__all__ = [
    "Auth",
    "ModelTrainJobMeta",
    "ModelTrainTask",
    "ModelTrainingConnector",
    "RayTrainConfig",
    "TrainingApi",
]

_HOMES = {
    "Auth": "config",
    "ModelTrainJobMeta": "connector",
    "ModelTrainTask": "task",
    "ModelTrainingConnector": "connector",
    "RayTrainConfig": "config",
    "TrainingApi": "config",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
