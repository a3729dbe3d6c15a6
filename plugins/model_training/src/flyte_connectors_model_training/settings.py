"""What the operator sets: the platforms whose connection is checked."""

from __future__ import annotations

import dataclasses

from flyte_connectors.settings import PluginSettings, setting


@dataclasses.dataclass(frozen=True)
class ModelTrainingSettings(PluginSettings, prefix="FLYTE_MODEL_TRAINING_"):
    """What the operator of the model-training connector sets."""

    services: tuple[str, ...] = setting((), "URLs of training services whose connection is checked")
    ray: tuple[str, ...] = setting((), "URLs of Ray dashboards whose connection is checked")
