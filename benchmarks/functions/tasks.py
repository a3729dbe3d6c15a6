"""The functions that are measured."""

from __future__ import annotations

import time

from flyte_connectors import TaskEnvironment
from flyte_connectors_batch_job import BatchJobConfig

env = TaskEnvironment("measured", plugin_config=BatchJobConfig(timeout_seconds=300))


@env.task
def nothing() -> None:
    """The least that a function can do."""


@env.task
def busy(number: int, seconds: float) -> int:
    """Use a core for some seconds of its time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return number
