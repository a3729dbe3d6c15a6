"""The monitor: what a resource means for the task.

Source: `webapi/monitor.go` and `Plugin.Status` in `connector/plugin.go` of Flyte's back end.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

from flyteidl2.connector.connector_pb2 import Resource
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.task.common_pb2 import Outputs

from .task import Outcome, Task

if TYPE_CHECKING:
    from .cache import Item

RUNNING_PHASES = {
    TaskExecution.QUEUED,
    TaskExecution.INITIALIZING,
    TaskExecution.WAITING_FOR_RESOURCES,
    TaskExecution.RUNNING,
}


class Next(enum.Enum):
    """What to do with a task that has not ended."""

    WAIT = "wait"
    RETRY = "retry"


def judge(item: Item) -> Outcome | Next:
    """What the cache's knowledge of a task means for it.

    A task that the cache has given up fails if it was never read; else the last thing read stays
    true for ever, and the task shows RUNNING though nobody looks at it any more.
    """
    if item.resource is None:
        return Outcome.FAILED if item.given_up else Next.WAIT
    phase = item.resource.phase
    if phase in RUNNING_PHASES:
        return Outcome.STRANDED if item.given_up else Next.WAIT
    if phase == TaskExecution.SUCCEEDED:
        return Outcome.RIGHT if item.task.is_right(outputs(item)) else Outcome.WRONG
    if phase == TaskExecution.RETRYABLE_FAILED:
        return Next.RETRY
    return Outcome.FAILED  # FAILED, ABORTED; and UNDEFINED, which is a system failure


def outputs(item: Item) -> Outputs:
    """The outputs in the resource, or else the ones in `<output_prefix>/outputs.pb`."""
    resource: Resource = item.resource or Resource()
    if resource.HasField("outputs"):
        return resource.outputs
    return _stored_outputs(item.task)


def _stored_outputs(task: Task) -> Outputs:
    path = Path(task.output_prefix) / "outputs.pb"
    return Outputs.FromString(path.read_bytes()) if path.exists() else Outputs()
