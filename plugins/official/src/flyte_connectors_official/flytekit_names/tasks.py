"""flytekit's ways to declare a task: decorators, executor mixins, and tasks with their own container."""

from __future__ import annotations

import dataclasses
import datetime
import inspect
from collections.abc import Mapping
from typing import Any

import flyte_connectors
from flyte_connectors import TaskTemplate
from flyte_connectors.tasks.calls import call_function, call_task, run_sync
from flyte_connectors.tasks.function_task import FunctionTask
from flyte_connectors.tasks.mixins import as_result
from flyte_connectors.types import codec_for_type

from flyte_connectors_official.flytekit_names.values import LiteralMap, TypeEngine
from flyte_connectors_official.shim_tasks import C


@dataclasses.dataclass(frozen=True)
class TaskMetadata:
    """Settings of a task.

    Args:
        cache: Whether Flyte may reuse outputs, under `cache_version`.
        cache_version: Version of the cached outputs.
        interruptible: Whether it may run on machines that can vanish.
        retries: New attempts after a retryable failure.
        timeout: Longest time of one attempt, in seconds or as a timedelta.
    """

    cache: bool = False
    cache_version: str = ""
    interruptible: bool = False
    retries: int = 0
    timeout: float | datetime.timedelta | None = None

    def settings(self) -> dict[str, Any]:
        """As a `TaskTemplate` takes them."""
        return dataclasses.asdict(self)


def task(function: Any = None, *, task_type: str | None = None, **settings: Any) -> Any:
    """Make a task of a function, or let a class of tasks have a task type; with and without arguments.

    Args:
        function: The function, sync or async, with annotations; or a class with an executor mixin.
        task_type: The task type; `task_type_version` likewise.
        **settings: As for `TaskTemplate`; flytekit's names `container_image` and `environment` are known, too.
    """
    if task_type is not None:
        settings["task_type"] = task_type
    for old, new in (("container_image", "image"), ("environment", "env_vars")):
        if old in settings:
            settings[new] = settings.pop(old)

    def decorate(decorated: Any) -> Any:
        if isinstance(decorated, type):
            return _task_class(decorated, settings)
        return FunctionTask(decorated, f"{decorated.__module__}.{decorated.__name__}", **settings)

    return decorate if function is None else decorate(function)


workflow = task
"""A workflow is a task that calls tasks."""


def _task_class(cls: type, settings: Mapping[str, Any]) -> type:
    """The class as a task; `settings` are the defaults of its instances."""
    bases = (cls,) if issubclass(cls, TaskTemplate) else (cls, TaskTemplate)
    copied = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(cls.__name__, bases, {**copied, "declared_settings": dict(settings)})


class _ConnectorExecutorMixin:
    """A mixin whose `execute` is a plain method that returns the literals of the outputs."""

    declared_settings: Mapping[str, Any] = {}

    def __init__(self, name: str | None = None, *args: Any, **kwargs: Any) -> None:
        settings = dict(zip(("interface", "task_type", "task_type_version"), args, strict=False))
        settings = {**self.declared_settings, **settings, **kwargs}
        super().__init__(name or _snake_case(type(self).__name__), **settings)  # type: ignore[call-arg]

    def execute(self, **kwargs: Any) -> Any:
        """Run the task through its connector, as Flyte's back end would.

        Returns:
            A `LiteralMap` of its outputs.

        Raises:
            InvalidRequestError: an input is missing, undeclared or of the wrong type.
            TaskFailedError: the job ended without success.
        """
        result = run_sync(self._run(**kwargs))
        declared: Mapping[str, Any] = self.interface.outputs  # type: ignore[attr-defined]
        values = (result,) if len(declared) == 1 else result or ()
        pairs = zip(declared.items(), values, strict=True)
        return LiteralMap({name: codec_for_type(hint).encode(value) for (name, hint), value in pairs})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task: the outputs, or an awaitable of them if its class has an async `execute`."""
        inputs = self.interface.bind(self.name, args, kwargs)  # type: ignore[attr-defined]
        if inspect.iscoroutinefunction(self.execute):
            return call_task(self.execute, inputs)
        result = call_function(self.execute, inputs)
        if not isinstance(result, LiteralMap):
            return result
        types = self.interface.outputs  # type: ignore[attr-defined]
        return as_result(self, TypeEngine.literal_map_to_kwargs(None, result, types))  # type: ignore[arg-type]

    async def _run(self, **kwargs: Any) -> Any:
        return await super().execute(**kwargs)  # type: ignore[misc]


class AsyncConnectorExecutorMixin(_ConnectorExecutorMixin, flyte_connectors.AsyncConnectorExecutorMixin):
    """Runs a task of an `AsyncConnectorBase`."""


class SyncConnectorExecutorMixin(_ConnectorExecutorMixin, flyte_connectors.SyncConnectorExecutorMixin):
    """Runs a task of a `SyncConnectorBase`."""


class PythonCustomizedContainerTask(flyte_connectors.PythonCustomizedContainerTask[C]):
    """A task whose container runs an executor on the serialized template.

    Args:
        *args: As for `flyte_connectors.PythonCustomizedContainerTask`, `**kwargs` likewise.
        metadata: Settings of the task.
    """

    def __init__(self, *args: Any, metadata: TaskMetadata | None = None, **kwargs: Any) -> None:
        settings = {**(metadata.settings() if metadata else {}), **kwargs}
        super().__init__(*args, **settings)


def _snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
