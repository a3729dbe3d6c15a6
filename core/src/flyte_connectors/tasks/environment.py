"""Task environments: tasks with common settings."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.function_task import FunctionTask

if TYPE_CHECKING:
    from flyte_connectors.tasks.resources import Resources
    from flyte_connectors.tasks.template import TaskTemplate


P = ParamSpec("P")
R = TypeVar("R")


class TaskEnvironment:
    """Tasks that share an image and settings.

    Args:
        name: Name of the environment; it prefixes the names of function tasks.
        image: Image of the tasks' containers.
        resources: What each container asks for.
        env_vars: Environment variables of each container.
        description: What the environment is for.
        plugin_config: Where functions run, unless they have another `plugin_config`: the configuration of a
            plugin for it, such as `BatchJobConfig`. By default they run in this process.

    Attributes:
        tasks: Its tasks by name.
    """

    def __init__(  # noqa: PLR0913  (a task has these settings in Flyte's own model)
        self,
        name: str,
        *,
        image: Any = None,
        resources: Resources | None = None,
        env_vars: Mapping[str, str] | None = None,
        description: str = "",
        plugin_config: Any = None,
    ) -> None:
        self.name = name
        self.image = image
        self.resources = resources
        self.env_vars = dict(env_vars or {})
        self.description = description
        self.plugin_config = plugin_config
        self.tasks: dict[str, TaskTemplate] = {}

    @overload
    def task(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...

    @overload
    def task(
        self,
        *,
        name: str | None = None,
        retries: int = 0,
        timeout: float | datetime.timedelta | None = None,
        plugin_config: Any = None,
    ) -> Callable[[Callable[P, R]], FunctionTask[P, R]]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        retries: int = 0,
        timeout: float | datetime.timedelta | None = None,
        plugin_config: Any = None,
    ) -> Any:
        """Make a task of a function; usable with and without arguments.

        Args:
            function: The function, sync or async, with annotations.
            name: Name of the task; the function's by default.
            retries: New attempts after a retryable failure.
            timeout: Longest time of one attempt, in seconds.
            plugin_config: Where it runs; the environment's by default.

        Raises:
            InvalidRequestError: no installed plugin runs functions by such a configuration.
        """
        config = self.plugin_config if plugin_config is None else plugin_config

        def decorate(function: Callable[P, R]) -> FunctionTask[P, R]:
            task = _task_class(config)(
                function,
                f"{self.name}.{name or function.__name__}",
                image=self.image,
                resources=self.resources,
                env_vars=self.env_vars,
                retries=retries,
                timeout=timeout,
            )
            self.tasks[task.name] = task
            return task

        return decorate if function is None else decorate(function)

    @classmethod
    def from_task(cls, name: str, *tasks: TaskTemplate) -> TaskEnvironment:
        """An environment of tasks that exist already, such as a connector's."""
        environment = cls(name)
        environment.tasks = {task.name: task for task in tasks}
        return environment


def _task_class(plugin_config: Any) -> Callable[..., FunctionTask[Any, Any]]:
    """What makes tasks of functions that run where `plugin_config` says."""
    if plugin_config is None:
        return FunctionTask
    from flyte_connectors.tasks.task_plugins import TaskPlugins  # most environments have none

    found = TaskPlugins.find_pythontask_plugin(type(plugin_config))
    if found is FunctionTask or not issubclass(found, FunctionTask):
        message = f"no installed plugin runs functions by a {type(plugin_config).__name__}"
        raise InvalidRequestError(message, field="plugin_config")
    return functools.partial(found, plugin_config=plugin_config)
