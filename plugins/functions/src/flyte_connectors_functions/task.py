"""The task that `TaskEnvironment` makes of a function whose body runs as a job of a connector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from flyte_connectors import AsyncConnectorExecutorMixin, SerializationContext, TaskTemplate
from flyte_connectors.authoring import write_custom
from flyte_connectors.tasks.function_task import FunctionTask

from flyte_connectors_functions import context, location
from flyte_connectors_functions.call import FunctionReference

P = ParamSpec("P")
R = TypeVar("R")


class JobFunctionTask(AsyncConnectorExecutorMixin, FunctionTask[P, R]):
    """A task whose function runs as a job of a connector. Derive from it, and set `connector_task_type`.

    In a job, where another function's task may call it, it runs in the same process: a job that waits for another
    would hold its place in the queue meanwhile.

    Args:
        function: The function, sync or async, at the top of a module.
        name: Name of the task.
        plugin_config: What the job needs: a dataclass, which `custom_config` writes into `TaskTemplate.custom`.
        **kwargs: As for `TaskTemplate`.

    Attributes:
        connector_task_type: Task type of the connector.
        job_image: Image of the environment. It is not the task's own, with which Flyte's back end would run it.
    """

    connector_task_type: ClassVar[str]

    def __init__(self, function: Callable[P, R], name: str, plugin_config: Any, **kwargs: Any) -> None:
        self.job_image = kwargs.pop("image", None)
        super().__init__(function, name, task_type=self.connector_task_type, **kwargs)
        self.plugin_config = plugin_config

    def reference(self, mapped: str = "") -> FunctionReference:
        """Where the job finds the function; its code is stored. Blocks.

        Args:
            mapped: Name of the input of which each job of an array has one value.

        Raises:
            InvalidRequestError: a job could not import the function, or its code is too large.
            StorageError: its code can't be stored.
        """
        from flyte_connectors_functions import bundle, requirements  # a job needs neither

        found = location.locate(self.name, self.function)
        code = bundle.stored(found.module)
        required = requirements.required(found.module, found.name)
        return FunctionReference(found.module, found.name, code.uri, code.digest, mapped, requires=required)

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """The fields of `plugin_config`, and the reference as `function`. Raises as `reference` does."""
        return {**write_custom(self.plugin_config), "function": write_custom(self.reference())}

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
