"""Requests as Flyte's back end sends them, typed by the values given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors.tasks.interface import NativeInterface
from flyteidl2.connector import connector_pb2 as pb


def create_request(  # noqa: PLR0913  (a request has these parts)
    task_type: str = "fake_job",
    version: int = 0,
    *,
    run: str = "run",
    attempt: int = 0,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    custom: Mapping[str, Any] | None = None,
) -> pb.CreateTaskRequest:
    """A request that starts a job.

    Args:
        task_type: The task's type, and `version` of that.
        version: The task type's version.
        run: Name of the run; with `attempt` it decides the idempotency key.
        attempt: Number of the retry.
        inputs: Input values by name; their types are what the task declares.
        outputs: Types of the declared outputs by name.
        custom: What the connector receives.
    """
    values = dict(inputs or {})
    types = {name: type(value) for name, value in values.items()}
    interface = NativeInterface(types, outputs or {})
    request = pb.CreateTaskRequest(output_prefix="file:///nowhere/a0")
    template = request.template
    template.id.name = "the_task"
    template.type, template.task_type_version = task_type, version
    template.interface.CopyFrom(interface.to_proto())
    template.custom.update(custom or {"connector": True})
    request.inputs.CopyFrom(interface.write_inputs("the_task", values))
    execution = request.task_execution_metadata.task_execution_id
    execution.retry_attempt = attempt
    execution.node_execution_id.node_id = "a0"
    execution.node_execution_id.execution_id.name = run
    execution.node_execution_id.execution_id.project = "project"
    execution.node_execution_id.execution_id.domain = "development"
    return request


def category(request: pb.CreateTaskRequest) -> pb.TaskCategory:
    """The task category of later requests about the job."""
    return pb.TaskCategory(name=request.template.type, version=request.template.task_type_version)
