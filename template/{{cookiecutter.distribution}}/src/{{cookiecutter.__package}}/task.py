"""The task: what a workflow author writes."""

from __future__ import annotations

from typing import Any

from flyte_connectors import (
    {% if cookiecutter.__jobs %}
    AsyncConnectorExecutorMixin,
    {% endif %}
    NativeInterface,
    SerializationContext,
    {% if cookiecutter.__quick %}
    SyncConnectorExecutorMixin,
    {% endif %}
    TaskTemplate,
)

from {{ cookiecutter.__package }}.config import {{ cookiecutter.__class }}Config
{% if cookiecutter.__jobs %}


class {{ cookiecutter.__class }}Task(AsyncConnectorExecutorMixin, TaskTemplate):
    """A job of {{ cookiecutter.service }}: input `text`, output `summary`.

    Args:
        name: The task's name.
        plugin_config: What the job shall do.
        **kwargs: What every task takes.
    """

    def __init__(
        self,
        name: str,
        plugin_config: {{ cookiecutter.__class }}Config | None = None,
        **kwargs: Any,
    ) -> None:
        interface = NativeInterface(inputs={"text": str}, outputs={"summary": str})
        super().__init__(name, interface, "{{ cookiecutter.task_type }}", **kwargs)
        self.plugin_config = plugin_config or {{ cookiecutter.__class }}Config()

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """What the connector reads from `custom`."""
        return self.plugin_config.to_custom()
{% endif %}
{% if cookiecutter.__quick %}


class {{ cookiecutter.__quick_class }}Task(SyncConnectorExecutorMixin, TaskTemplate):
    """How long a job of {{ cookiecutter.service }} would take: output `seconds`.

    Args:
        name: The task's name.
        plugin_config: What the job would do.
        **kwargs: What every task takes.
    """

    def __init__(
        self,
        name: str,
        plugin_config: {{ cookiecutter.__class }}Config | None = None,
        **kwargs: Any,
    ) -> None:
        interface = NativeInterface(inputs={}, outputs={"seconds": float})
        super().__init__(name, interface, "{{ cookiecutter.__quick_type }}", **kwargs)
        self.plugin_config = plugin_config or {{ cookiecutter.__class }}Config()

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """What the connector reads from `custom`."""
        return self.plugin_config.to_custom()
{% endif %}
