"""The task that `TaskEnvironment` makes of a function with a `BatchJobConfig`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flyte_connectors import AsyncConnectorExecutorMixin, SerializationContext, TaskTemplate
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.function_task import FunctionTask

from flyte_connectors_batch_job.config import BatchJobConfig, FunctionReference
from flyte_connectors_batch_job.functions import context, location
from flyte_connectors_batch_job.request import with_settings_of

P = ParamSpec("P")
R = TypeVar("R")


class BatchFunctionTask(AsyncConnectorExecutorMixin, FunctionTask[P, R]):
    """A task whose function runs as a batch job.

    In a job, where another function's task may call it, it runs in the same process: a job that waits for another
    would hold its slots meanwhile.

    Args:
        function: The function, sync or async, at the top of a module.
        name: Name of the task.
        plugin_config: Where it runs, and what it needs.
        **kwargs: As for `TaskTemplate`.

    Raises:
        InvalidRequestError: `plugin_config` says what to run.
    """

    def __init__(
        self, function: Callable[P, R], name: str, plugin_config: BatchJobConfig, **kwargs: Any
    ) -> None:
        image = kwargs.pop(
            "image", None
        )  # with one of its own, Flyte's back end would run the task
        super().__init__(function, name, task_type="batch_job", **kwargs)
        for field in ("command", "script", "function", "array"):
            if getattr(plugin_config, field) is not None:
                message = f"must not be set: the job runs the function of task '{name}'"
                raise InvalidRequestError(message, field=f"plugin_config.{field}")
        self.plugin_config = plugin_config
        self.job_image = image

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """The job's fields, with the place of the function and its code, which is stored here.

        Raises:
            InvalidRequestError: a job could not import the function.
        """
        from flyte_connectors_batch_job.functions import bundle  # a job has these modules, too

        found = location.locate(self.name, self.function)
        code = bundle.stored(self.name, found.module)
        function = FunctionReference(found.module, found.name, code.uri, code.digest)
        config = with_settings_of(self, self.plugin_config, self.job_image)
        return dataclasses.replace(config, function=function).to_custom()

    async def execute(self, **kwargs: Any) -> Any:
        """Run the function as a job; in a job, in its process."""
        if context.is_in_job():
            return await FunctionTask.execute(self, **kwargs)
        await asyncio.to_thread(self.custom_config, SerializationContext())  # which reads files
        return await super().execute(**kwargs)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function: its outputs, or an awaitable of them where an event loop is running."""
        result: R = TaskTemplate.__call__(self, *args, **kwargs)
        return result
