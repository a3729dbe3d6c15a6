"""Shim tasks: tasks that run from their serialized template and inputs alone.

    ShimTaskExecutor                what to do, written by the task type's author
    ExecutableTemplateShimTask      a template and an executor: can run
    PythonCustomizedContainerTask   how such a task is declared
    TaskTemplateResolver            turns the command line of a container into a task that can run
    ConnectorShimExecutor           an executor that hands the task to its connector

In a container, `flyte-connectors execute` runs them.
"""

from __future__ import annotations

import abc
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from flyte_connectors._dispatch import wire
from flyte_connectors._registry.user_modules import with_official_names
from flyte_connectors.client.job_loop import RunPolicy, run_job
from flyte_connectors.errors import InvalidRequestError, OutputError, TaskFailedError
from flyte_connectors.tasks.calls import run_in_thread, run_sync
from flyte_connectors.tasks.current_run import current_run
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.tasks.mixins import as_result, request_for
from flyte_connectors.tasks.template import SerializationContext, TaskTemplate
from flyteidl2.core import tasks_pb2
from flyteidl2.task.common_pb2 import Inputs, Outputs

C = TypeVar("C")


class ShimTaskExecutor(abc.ABC):
    """The business logic of a task type. Needs no arguments to be created."""

    @abc.abstractmethod
    def execute_from_model(self, tt: tasks_pb2.TaskTemplate, **kwargs: Any) -> Any:
        """Run a task.

        Args:
            tt: The task, `flyteidl2.core.TaskTemplate`.
            **kwargs: Its inputs.

        Returns:
            Its outputs: a mapping by name, the value of a single one, or a tuple in declared order.
        """


class ExecutableTemplateShimTask:
    """A serialized task and the executor that can run it.

    Args:
        template: The task.
        executor_type: Class of the executor.

    Attributes:
        interface: The task's interface, inferred from the template.
    """

    def __init__(self, template: tasks_pb2.TaskTemplate, executor_type: type[ShimTaskExecutor]) -> None:
        self.task_template = template
        self.executor_type = executor_type
        self.interface = NativeInterface.from_proto(template.interface)

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.task_template.id.name

    def execute(self, **kwargs: Any) -> dict[str, Any]:
        """Run the task with native inputs; returns its outputs by name.

        Raises:
            InvalidRequestError: an input is missing or undeclared.
            TaskFailedError: the executor did not return what the interface declares.
        """
        inputs = self.interface.bind(self.name, (), kwargs)
        result = self.executor_type().execute_from_model(self.task_template, **inputs)
        return self._by_name(result)

    def dispatch_execute(self, inputs: Inputs) -> Outputs:
        """Run the task with inputs as literals; returns its outputs as literals.

        Raises:
            InvalidRequestError: an input is missing, undeclared or of another type than declared.
            TaskFailedError: the executor did not return what the interface declares.
        """
        template = self.task_template
        values = self.execute(**wire.read_inputs(template, inputs))
        outputs = Outputs()
        try:
            wire.write_outputs(values, wire.declared_outputs(template), outputs)
        except OutputError as error:
            raise TaskFailedError(f"{error} (task '{self.name}')") from None
        return outputs

    def _by_name(self, result: Any) -> dict[str, Any]:
        names = list(self.interface.outputs)
        if isinstance(result, Mapping) and set(result) == set(names):
            return dict(result)
        values = result if isinstance(result, tuple) else (() if not names else (result,))
        if len(values) != len(names):
            raise TaskFailedError(f"the executor of task '{self.name}' must return {', '.join(names) or 'nothing'}")
        return dict(zip(names, values, strict=True))


class PythonCustomizedContainerTask(TaskTemplate, Generic[C]):
    """A task whose container runs an executor on the serialized template.

    Override `get_custom` to hand the executor its configuration.

    Args:
        name: Name of the task.
        task_config: Its configuration.
        container_image: Image that has `flyte-connectors` and the executor's module.
        executor_type: The executor.
        task_type: What the back end routes by.
        interface: Inputs and outputs.
        **kwargs: As for `TaskTemplate`.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (fixed by the class of this name in flytekit)
        self,
        name: str,
        task_config: C,
        container_image: str,
        executor_type: type[ShimTaskExecutor],
        task_type: str = "python-task",
        interface: NativeInterface | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, interface or NativeInterface(), task_type, image=container_image, **kwargs)
        self.task_config = task_config
        self.executor_type = executor_type

    def get_custom(self, settings: SerializationContext) -> Mapping[str, Any]:  # noqa: ARG002
        """What the executor finds in `TaskTemplate.custom`."""
        return {}

    def custom_config(self, sctx: SerializationContext) -> Mapping[str, Any]:
        """As `get_custom` says."""
        return self.get_custom(sctx)

    def container_args(self, sctx: SerializationContext) -> list[str]:
        """The command that runs the executor in the container."""
        return TaskTemplateResolver.container_args(self, sctx)

    async def execute(self, **kwargs: Any) -> Any:
        """Run the executor in this process, on the serialized form that a container would get."""
        template = tasks_pb2.TaskTemplate.FromString(self.to_proto().SerializeToString())
        task = ExecutableTemplateShimTask(template, self.executor_type)
        inputs = self.interface.write_inputs(self.name, self.interface.bind(self.name, (), kwargs))
        outputs = await run_in_thread(task.dispatch_execute, {"inputs": inputs})
        return as_result(self, self.interface.read_outputs(self.name, outputs))


class TaskTemplateResolver:
    """Turns the command line of a container into a task that can run."""

    @staticmethod
    def container_args(task: PythonCustomizedContainerTask[Any], sctx: SerializationContext) -> list[str]:
        """The command line of the task's container.

        `{{.taskTemplatePath}}`, and the paths of the context, are filled in by Flyte's back end.
        """
        return [
            *("flyte-connectors", "execute", "--task-template", "{{.taskTemplatePath}}"),
            *("--inputs", sctx.input_path, "--output-prefix", sctx.output_path),
            *TaskTemplateResolver.loader_args(task),
        ]

    @staticmethod
    def loader_args(task: PythonCustomizedContainerTask[Any]) -> list[str]:
        """Which executor to load."""
        executor = task.executor_type
        return ["--executor", f"{executor.__module__}:{executor.__qualname__}"]

    @staticmethod
    def load_task(loader_args: Sequence[str], template: tasks_pb2.TaskTemplate) -> ExecutableTemplateShimTask:
        """The task of a template, with the executor that `loader_args` name.

        Raises:
            InvalidRequestError: the executor can't be loaded.
        """
        return ExecutableTemplateShimTask(template, load_executor(loader_args[-1]))


def load_executor(location: str) -> type[ShimTaskExecutor]:
    """The executor class at `module:Class`.

    Raises:
        InvalidRequestError: there is none.
    """
    module_name, _, path = location.partition(":")
    try:
        found: Any = with_official_names(lambda: importlib.import_module(module_name))
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"can't be loaded as MODULE:CLASS: {error}"
        raise InvalidRequestError(message, field=f"executor {location!r}") from error
    if not (isinstance(found, type) and issubclass(found, ShimTaskExecutor)):
        message = "is not a subclass of ShimTaskExecutor"
        raise InvalidRequestError(message, field=f"executor {location!r}")
    return found


class ConnectorShimExecutor(ShimTaskExecutor):
    """Runs the task through the connector that the registry has for its task type."""

    def execute_from_model(self, tt: tasks_pb2.TaskTemplate, **kwargs: Any) -> Any:
        """Create, poll and fetch, as for any task of that connector."""
        interface = NativeInterface.from_proto(tt.interface)
        execution = current_run()
        inputs = interface.write_inputs(tt.id.name, kwargs)
        policy = RunPolicy(
            retries=tt.metadata.retries.retries,
            timeout=tt.metadata.timeout.ToTimedelta().total_seconds() or None,
            give_up_after=execution.give_up_after,
        )
        request = request_for(tt, inputs, execution)
        resource = run_sync(run_job(execution.client, request, policy, execution.observer))
        return interface.read_outputs(tt.id.name, resource.outputs)
