"""A connector that reports its inputs and returns the outputs it is configured with, and a task of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    AsyncConnectorExecutorMixin,
    NativeInterface,
    Phase,
    Resource,
    ResourceMeta,
    TaskTemplate,
)


class Meta(ResourceMeta):
    """Nothing: the connector of a test remembers its one job."""


class Echo(AsyncConnector[Meta]):
    """Reports `outputs` at once, and keeps the inputs of each create.

    Args:
        outputs: What its jobs come to.
    """

    name = "Echo"
    task_type_name = "echo"
    metadata_type = Meta

    def __init__(self, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.outputs = outputs
        self.created: list[Mapping[str, Any]] = []

    async def create(self, inputs: Mapping[str, Any], **kwargs: Any) -> Meta:
        self.created.append(inputs)
        return Meta()

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED, outputs=self.outputs)

    async def delete(self, resource_meta: Meta, **kwargs: Any) -> None:
        pass


class EchoTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task called `the_task`.

    Args:
        inputs: Types of the inputs by name, and `outputs` of the outputs.
    """

    def __init__(self, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__("the_task", NativeInterface(inputs or {}, outputs or {}), "echo")
