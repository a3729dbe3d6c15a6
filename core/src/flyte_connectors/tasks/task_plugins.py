"""Which task class belongs to a configuration: how `plugin_config` finds where a function runs."""

from __future__ import annotations

from typing import ClassVar

from flyte_connectors._registry.installed import installed_plugins
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.function_task import FunctionTask
from flyte_connectors.tasks.template import TaskTemplate

FUNCTIONS_GROUP = "flyte.connectors.functions"
"""Group of the entry points that are subclasses of `FunctionTask`, by their configuration class."""


class TaskPlugins:
    """Which task class a configuration class belongs to."""

    _classes: ClassVar[dict[type, type[TaskTemplate]]] = {}

    @classmethod
    def register_pythontask_plugin(cls, config_type: type, task_class: type[TaskTemplate]) -> None:
        """Let configurations of `config_type` belong to `task_class`.

        Raises:
            InvalidRequestError: they belong to another class already.
        """
        taken = cls._classes.setdefault(config_type, task_class)
        if taken is not task_class:
            message = f"configures {taken.__name__} already"
            raise InvalidRequestError(message, field=config_type.__name__)

    @classmethod
    def find_pythontask_plugin(cls, config_type: type) -> type[TaskTemplate]:
        """The task class for a configuration class; `FunctionTask` if there is none.

        An installed plugin says it by an entry point that is named after the configuration class:

            [project.entry-points."flyte.connectors.functions"]
            "my_plugin.config.MyConfig" = "my_plugin.functions:MyFunctionTask"
        """
        if config_type not in cls._classes:
            name = f"{config_type.__module__}.{config_type.__qualname__}"
            for point in installed_plugins(FUNCTIONS_GROUP):
                if point.name == name:
                    cls.register_pythontask_plugin(config_type, point.load())
        return cls._classes.get(config_type, FunctionTask)
