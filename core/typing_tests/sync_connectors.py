"""Each way to write a `SyncConnector` passes, and the registry takes whatever a connector can be."""

from __future__ import annotations

import sys
from typing import Any

from flyte_connectors import ConnectorRegistry, Phase, Resource, SyncConnector, TaskCategory
from flyteidl2.connector.connector_pb2 import Connector
from flyteidl2.core.tasks_pb2 import TaskTemplate
from typing_extensions import assert_type


class Coroutine(SyncConnector):
    task_type_name = "coroutine"

    async def do(
        self, task_template: TaskTemplate, inputs: dict[str, Any], **kwargs: Any
    ) -> Resource:
        return Resource(phase=Phase.SUCCEEDED, outputs=inputs)


class Function(SyncConnector):
    def __init__(self) -> None:
        super().__init__(task_type_name="function", task_type_version=3)

    def do(self, task_template: TaskTemplate, *, api_key: str) -> Resource:
        return Resource(phase=Phase.FAILED, message=f"{len(api_key)}")


class Faulty(SyncConnector):
    def do(self, task_template: str, **kwargs: Any) -> Resource:  # type: ignore[override]
        return Resource(phase=Phase.SUCCEEDED)


ConnectorRegistry.register(Coroutine)
ConnectorRegistry.register(Function(), override=True)
ConnectorRegistry.register(sys.modules[__name__])
assert_type(ConnectorRegistry.list_connectors(), list[Connector])
assert_type(ConnectorRegistry.get_connector_metadata("Quick"), Connector)
assert_type(Function().task_category, TaskCategory)
