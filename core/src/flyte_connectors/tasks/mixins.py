"""Executor mixins: a call of the task becomes a job of its connector, locally or on a service.

class MyTask(AsyncConnectorExecutorMixin, TaskTemplate): ...
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Mapping
from typing import Any, cast

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate as TaskTemplateProto
from flyteidl2.task.common_pb2 import Inputs, Outputs

from flyte_connectors.client.job_loop import RunPolicy, run_job
from flyte_connectors.errors import TaskFailedError
from flyte_connectors.io import storage
from flyte_connectors.tasks.current_run import CurrentRun, current_run
from flyte_connectors.tasks.template import TaskTemplate


class _ConnectorExecutorMixin:
    async def execute(self, **kwargs: Any) -> Any:
        """Run the task through its connector, exactly as Flyte's back end would.

        Raises:
            InvalidRequestError: an input is missing, undeclared or of the wrong type.
            TaskFailedError: the job ended without success.
        """
        task = cast("TaskTemplate", self)
        execution = current_run()
        values = task.interface.bind(task.name, (), kwargs)
        inputs = task.interface.write_inputs(task.name, values)
        request = request_for(task.to_proto(), inputs, execution)
        prefix = request.output_prefix
        policy = RunPolicy(task.retries, task.timeout_seconds, execution.give_up_after)
        node = request.task_execution_metadata.task_execution_id.node_execution_id
        observer = execution.observer.of_job(node.node_id)
        running = run_job(execution.client, request, policy, observer)
        del request  # it is large, and the job may run for long
        outputs = (await running).outputs
        if task.interface.has_outputs() and not outputs.literals:
            outputs = await asyncio.to_thread(_stored_outputs, task, prefix)
        return as_result(task, task.interface.read_outputs(task.name, outputs))


class AsyncConnectorExecutorMixin(_ConnectorExecutorMixin):
    """Runs a task of an `AsyncConnector`."""


class SyncConnectorExecutorMixin(_ConnectorExecutorMixin):
    """Runs a task of a `SyncConnector`."""


def request_for(template: TaskTemplateProto, inputs: Inputs, execution: CurrentRun) -> pb.CreateTaskRequest:
    """The request that starts a task as the next action of `execution`."""
    action = execution.next_action()
    action.task_id.CopyFrom(template.id)
    return pb.CreateTaskRequest(
        template=template,
        inputs=inputs,
        output_prefix=storage.join(execution.output_prefix, action.node_execution_id.node_id),
        task_execution_metadata=pb.TaskExecutionMetadata(task_execution_id=action),
    )


def as_result(task: TaskTemplate, values: Mapping[str, Any]) -> Any:
    """Outputs as a caller gets them: nothing, the value, or a named tuple of values."""
    if not values:
        return None
    if len(values) == 1:
        return next(iter(values.values()))
    return collections.namedtuple(f"{type(task).__name__}Outputs", values)(**values)  # noqa: PYI024  (the names are known only now)


def _stored_outputs(task: TaskTemplate, prefix: str) -> Outputs:
    """What the job itself wrote under its output prefix.

    Raises:
        TaskFailedError: it wrote nothing.
    """
    uri = storage.join(prefix, storage.OUTPUTS_FILE)
    try:
        return Outputs.FromString(storage.read_bytes(uri))
    except FileNotFoundError:
        message = f"task '{task.name}' succeeded, but neither returned its outputs nor wrote {uri}"
        raise TaskFailedError(message) from None
