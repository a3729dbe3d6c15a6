"""Each way to write a `SyncConnector` passes; a wrong one does not."""

from __future__ import annotations

from typing import Any

from flyte_connectors import Phase, Resource, SyncConnector
from flyteidl2.core.tasks_pb2 import TaskTemplate


class Coroutine(SyncConnector):
    task_type_name = "coroutine"

    async def do(self, task_template: TaskTemplate, inputs: dict[str, Any], **kwargs: Any) -> Resource:
        return Resource(phase=Phase.SUCCEEDED, outputs=inputs)


class Function(SyncConnector):
    def __init__(self) -> None:
        super().__init__(task_type_name="function", task_type_version=3)

    def do(self, task_template: TaskTemplate, *, api_key: str) -> Resource:
        return Resource(phase=Phase.FAILED, message=f"{len(api_key)}")


class Faulty(SyncConnector):
    def do(self, task_template: str, **kwargs: Any) -> Resource:  # type: ignore[override]
        return Resource(phase=Phase.SUCCEEDED)
