"""Train models behind an HTTP API, or on Ray, as a Flyte task.

    task = ModelTrainTask(name="train", endpoint="https://train.example.org/jobs")
    model = task(epochs=20, dataset_uri="s3://bucket/digits.parquet")

What a workflow author uses: `ModelTrainTask`, and for what differs `TrainingApi`, `Auth`,
`RayTrainConfig`, `Sweep` and `MlflowConfig`. What the service loads is `ModelTrainingConnector`.

A request passes through these modules, top to bottom:

- `task` the task class
- `config`, `training_api` the configuration of a task, and the description of a service
- `connector` the verbs
- `inputs`, `outputs` what goes into a training, and what comes out of it
- `copies` files of a training in the task's storage
- `client` the platform that a configuration names
- `platforms` what a training platform can do: start, state, cancel, logs, metrics
- `training_service`, `ray_jobs` the two platforms, over `flyte_connectors.http`
- `paths`, `log_pages` how services of different APIs are read
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyte_connectors_model_training.config import (
        Auth,
        MlflowConfig,
        RayTrainConfig,
        Sweep,
    )
    from flyte_connectors_model_training.connector import (
        ModelTrainingConnector,
        ModelTrainJobMeta,
    )
    from flyte_connectors_model_training.task import ModelTrainTask
    from flyte_connectors_model_training.training_api import TrainingApi

__all__ = [
    "Auth",
    "MlflowConfig",
    "ModelTrainJobMeta",
    "ModelTrainTask",
    "ModelTrainingConnector",
    "RayTrainConfig",
    "Sweep",
    "TrainingApi",
]

_HOMES = {
    "Auth": "config",
    "MlflowConfig": "config",
    "ModelTrainJobMeta": "connector",
    "ModelTrainTask": "task",
    "ModelTrainingConnector": "connector",
    "RayTrainConfig": "config",
    "Sweep": "config",
    "TrainingApi": "training_api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
