"""Task environments, and tasks made of functions."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from flyte_connectors.errors import TaskFailedError
from flyte_connectors.tasks.calls import call_function, call_task, run_in_thread
from flyte_connectors.tasks.current_run import current_run, within_run
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.tasks.template import TaskTemplate
from flyte_connectors.types import ConversionError, codec_for_type

if TYPE_CHECKING:
    from flyte_connectors.tasks.resources import Resources


P = ParamSpec("P")
R = TypeVar("R")


class FunctionTask(TaskTemplate, Generic[P, R]):
    """A task whose body is a Python function, sync or async; it is called as the function is."""

    def __init__(self, function: Callable[P, R], name: str, **kwargs: Any) -> None:
        super().__init__(name, NativeInterface.from_callable(function), **kwargs)
        self.function: Callable[..., Any] = function
        self.__doc__ = function.__doc__

    async def execute(self, **kwargs: Any) -> Any:
        """Run the function; a plain one in a thread, so that it may call other tasks."""
        inputs = self._checked(kwargs)
        with within_run(current_run()):
            if inspect.iscoroutinefunction(self.function):
                result = await self.function(**inputs)
            else:
                result = await run_in_thread(self.function, inputs)
        return self._checked_result(result)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function: plain ones at once, async ones as `TaskTemplate.__call__` does."""
        inputs = self.interface.bind(self.name, args, kwargs)
        result: R
        if inspect.iscoroutinefunction(self.function):
            result = call_task(self.execute, inputs)
        else:
            with within_run(current_run()):
                result = self._checked_result(call_function(self.function, self._checked(inputs)))
        return result

    def _checked(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bound inputs, each of its declared type.

        Raises:
            InvalidRequestError: an input is missing, undeclared or of the wrong type.
        """
        inputs = self.interface.bind(self.name, (), kwargs)
        self.interface.write_inputs(self.name, inputs)
        return inputs

    def _checked_result(self, result: Any) -> Any:
        """The function's result, each output of its declared type.

        Raises:
            TaskFailedError: an output is missing or of the wrong type.
        """
        declared = self.interface.outputs
        values = result if isinstance(result, tuple) and len(declared) != 1 else (result,)
        if result is None and not declared:
            values = ()
        if len(declared) != len(values):
            message = f"task '{self.name}' returned {len(values)} outputs, {len(declared)} declared"
            raise TaskFailedError(message)
        for (name, python_type), value in zip(declared.items(), values, strict=True):
            try:
                codec_for_type(python_type).encode(value)
            except ConversionError as error:
                raise TaskFailedError(f"output '{name}' of task '{self.name}': {error}") from None
        return result


class TaskEnvironment:
    """Tasks that share an image and settings.

    Args:
        name: Name of the environment; it prefixes the names of function tasks.
        image: Image of the tasks' containers.
        resources: What each container asks for.
        env_vars: Environment variables of each container.
        description: What the environment is for.

    Attributes:
        tasks: Its tasks by name.
    """

    def __init__(
        self,
        name: str,
        *,
        image: Any = None,
        resources: Resources | None = None,
        env_vars: Mapping[str, str] | None = None,
        description: str = "",
    ) -> None:
        self.name = name
        self.image = image
        self.resources = resources
        self.env_vars = dict(env_vars or {})
        self.description = description
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
    ) -> Callable[[Callable[P, R]], FunctionTask[P, R]]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        retries: int = 0,
        timeout: float | datetime.timedelta | None = None,
    ) -> Any:
        """Make a task of a function; usable with and without arguments.

        Args:
            function: The function, sync or async, with annotations.
            name: Name of the task; the function's by default.
            retries: New attempts after a retryable failure.
            timeout: Longest time of one attempt, in seconds.
        """

        def decorate(function: Callable[P, R]) -> FunctionTask[P, R]:
            task = FunctionTask(
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
