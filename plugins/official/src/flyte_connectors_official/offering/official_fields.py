"""What a task of ours and one of the official SDK have in common, as the SDK writes it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
from typing import Any

from flyte_connectors.tasks.template import TaskTemplate

from flyte_connectors_official.official_references import as_official, as_official_type

flyte: Any = importlib.import_module("flyte")
models: Any = importlib.import_module("flyte.models")


def official_fields(task: TaskTemplate) -> dict[str, Any]:
    """What every task of the SDK has."""
    inputs = {
        name: (as_official_type(python_type), as_official(default))
        for name, (python_type, default) in task.interface.inputs.items()
    }
    outputs = {name: as_official_type(hint) for name, hint in task.interface.outputs.items()}
    return {
        "name": task.name,
        "interface": models.NativeInterface(inputs, outputs),
        "task_type": task.task_type,
        "task_type_version": task.task_type_version,
        "image": None if task.image is None else str(task.image),
        "resources": task.resources and flyte.Resources(**dataclasses.asdict(task.resources)),
        "retries": task.retries,
        "timeout": datetime.timedelta(seconds=task.timeout_seconds or 0),
        "env_vars": task.env_vars or None,
        "secrets": [flyte.Secret(**dataclasses.asdict(secret)) for secret in task.secrets] or None,
        "cache": flyte.Cache("auto", task.cache_version) if task.cache else "disable",
        "interruptible": task.interruptible,
    }
