"""The task: what a workflow author writes."""

from __future__ import annotations

from typing import Any

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    NativeInterface,
    SerializationContext,
    TaskTemplate,
)

from flyte_connectors_render.config import RenderConfig


class RenderTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A picture of a scene: input `scene`, output `picture`, its URL.

    Args:
        name: The task's name.
        plugin_config: How to draw it.
        **kwargs: What every task takes.
    """

    def __init__(
        self,
        name: str,
        plugin_config: RenderConfig | None = None,
        **kwargs: Any,
    ) -> None:
        interface = NativeInterface(inputs={"scene": str}, outputs={"picture": str})
        super().__init__(name, interface, "render", **kwargs)
        self.plugin_config = plugin_config or RenderConfig()

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """What the connector reads from `custom`."""
        return self.plugin_config.to_custom()
