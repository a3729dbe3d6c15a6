"""The task that `TaskEnvironment` makes of a function with a `BatchJobConfig`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    NativeInterface,
    SerializationContext,
    TaskTemplate,
)
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.mixins import as_result
from flyte_connectors_functions.context import is_in_job
from flyte_connectors_functions.task import JobFunctionTask

from flyte_connectors_batch_job.backends import MAPS_AS_ARRAYS
from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.request import with_settings_of

P = ParamSpec("P")
R = TypeVar("R")


class BatchFunctionTask(JobFunctionTask[P, R]):
    """A task whose function runs as a batch job.

    Args:
        function: The function, sync or async, at the top of a module.
        name: Name of the task.
        plugin_config: Where it runs, and what it needs.
        **kwargs: As for `TaskTemplate`.

    Raises:
        InvalidRequestError: `plugin_config` says what to run.
    """

    connector_task_type = "batch_job"

    def __init__(self, function: Callable[P, R], name: str, plugin_config: BatchJobConfig, **kwargs: Any) -> None:
        super().__init__(function, name, plugin_config, **kwargs)
        for field in ("command", "script", "function", "array"):
            if getattr(plugin_config, field) is not None:
                message = f"must not be set: the job runs the function of task '{name}'"
                raise InvalidRequestError(message, field=f"plugin_config.{field}")

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """The job's fields, with the place of the function and its code, which is stored here.

        Raises:
            InvalidRequestError: a job could not import the function.
        """
        return self.job_config().to_custom()

    def job_config(self, *, mapped: str = "", size: int | None = None) -> BatchJobConfig:
        """What the job needs.

        Args:
            mapped: Name of the input of which each job of an array has one value.
            size: Number of jobs of the array.

        Raises:
            InvalidRequestError: a job could not import the function.
        """
        function = self.reference(mapped)
        if lock := self.plugin_config.uv_lock:
            from flyte_connectors_functions.bundle import stored_lock

            function = dataclasses.replace(function, environment=stored_lock(lock).uri)
        config = with_settings_of(self, self.plugin_config, self.job_image)
        return dataclasses.replace(config, function=function, array=size, uv_lock=None)

    async def _map(self, calls: list[dict[str, Any]], at_once: int) -> list[Any]:
        """As of any function; one array on an engine that has arrays."""
        is_array = self.plugin_config.backend in MAPS_AS_ARRAYS and len(calls) > 1
        if not is_array or is_in_job():
            return await super()._map(calls, at_once)
        mapped = next(iter(self.interface.inputs))
        array = Array(self, mapped, len(calls))
        inputs = {**calls[0], mapped: [inputs[mapped] for inputs in calls]}
        await asyncio.to_thread(array.custom_config, SerializationContext())
        result = await array.execute(**inputs)
        names = list(self.interface.outputs)
        if len(names) == 1:
            return list(result)
        rows = zip(*result, strict=True) if names else [()] * len(calls)
        return [as_result(self, dict(zip(names, row, strict=True))) for row in rows]


class Array(AsyncConnectorExecutorMixin, TaskTemplate):
    """The calls of a function as one array of jobs.

    Args:
        task: The function's task.
        mapped: Name of the input that has a list with a value for each job.
        size: Number of jobs.
    """

    def __init__(self, task: BatchFunctionTask[..., Any], mapped: str, size: int) -> None:
        types = {name: python_type for name, (python_type, _) in task.interface.inputs.items()}
        inputs = {**types, mapped: list[types[mapped]]}  # type: ignore[valid-type]  # made at run time
        outputs = {name: list[each] for name, each in task.interface.outputs.items()}  # type: ignore[valid-type]
        interface = NativeInterface(inputs, outputs)
        super().__init__(task.name, interface, task.task_type, retries=task.retries, timeout=task.timeout)
        self._task = task
        self._mapped = mapped
        self._size = size

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """The job's fields, as those of one call."""
        return self._task.job_config(mapped=self._mapped, size=self._size).to_custom()
