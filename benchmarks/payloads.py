"""The requests of the trivial connector's task, and the calls that check what it replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    GetTaskRequest,
    TaskCategory,
    TaskExecutionMetadata,
)
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.core.identifier_pb2 import (
    Identifier,
    NodeExecutionIdentifier,
    TaskExecutionIdentifier,
    WorkflowExecutionIdentifier,
)
from flyteidl2.core.interface_pb2 import TypedInterface, Variable, VariableEntry, VariableMap
from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.core.types_pb2 import LiteralType, SimpleType
from flyteidl2.task.common_pb2 import Inputs, NamedLiteral, Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "/flyteidl2.connector.AsyncConnectorService"
TASK_TYPE, BLOCKING_TASK_TYPE = "benchmark", "benchmark_blocking"
OUTPUT_PREFIX = "s3://bucket/metadata/run/a0"
TIMEOUT_SECONDS = 30.0
EXPECTED_OUTPUTS = {
    "rows": Primitive(integer=1000),
    "mean": Primitive(float_value=0.5),
    "table": Primitive(string_value="s3://bucket/table"),
}


class WrongAnswerError(Exception):
    """A contender does not do what is measured."""


@dataclass(frozen=True)
class Call:
    """A unary call: its method's path, a serialised request and the serialised reply to it."""

    path: str
    request: bytes
    reply: bytes


def create_request(state: str, task_type: str = TASK_TYPE) -> CreateTaskRequest:
    """A task with three inputs and three outputs, whose job will be in `state`."""
    inputs = {
        "state": Primitive(string_value=state),
        "rows": Primitive(integer=1000),
        "ratio": Primitive(float_value=0.5),
    }
    template = TaskTemplate(
        id=Identifier(project="project", domain="development", name="benchmark", version="v1"),
        type=task_type,
        interface=TypedInterface(
            inputs=_variables(
                state=SimpleType.STRING, rows=SimpleType.INTEGER, ratio=SimpleType.FLOAT
            ),
            outputs=_variables(
                rows=SimpleType.INTEGER, mean=SimpleType.FLOAT, table=SimpleType.STRING
            ),
        ),
    )
    template.custom["endpoint"] = "https://example.com"
    return CreateTaskRequest(
        template=template,
        inputs=Inputs(literals=[_literal(name, value) for name, value in inputs.items()]),
        output_prefix=OUTPUT_PREFIX,
        task_execution_metadata=_execution_metadata(run=state),
    )


def get_request(resource_meta: bytes) -> GetTaskRequest:
    """Poll the job of `resource_meta`."""
    return GetTaskRequest(
        resource_meta=resource_meta,
        task_category=TaskCategory(name=TASK_TYPE),
        output_prefix=OUTPUT_PREFIX,
    )


def create_job(target: str, state: str) -> bytes:
    """Create a job that will be in `state`.

    Returns:
        Its resource meta.
    """
    with grpc.insecure_channel(target) as channel:
        stub = AsyncConnectorServiceStub(channel)
        created = stub.CreateTask(create_request(state), timeout=TIMEOUT_SECONDS)
        meta: bytes = created.resource_meta
        return meta


def checked_calls(target: str) -> Iterator[tuple[str, Call]]:
    """The calls to be measured, by name, each made once against `target` and its reply checked.

    Raises:
        WrongAnswerError: A reply does not say what it must.
        grpc.RpcError: A call failed.
    """
    with grpc.insecure_channel(target) as channel:
        stub = AsyncConnectorServiceStub(channel)
        created = stub.CreateTask(create_request("running"), timeout=TIMEOUT_SECONDS)
        finished = stub.CreateTask(create_request("succeeded"), timeout=TIMEOUT_SECONDS)
        running_get = get_request(created.resource_meta)
        finished_get = get_request(finished.resource_meta)
        delete = DeleteTaskRequest(
            resource_meta=created.resource_meta, task_category=TaskCategory(name=TASK_TYPE)
        )
        running = stub.GetTask(running_get, timeout=TIMEOUT_SECONDS)
        succeeded = stub.GetTask(finished_get, timeout=TIMEOUT_SECONDS)
        deleted = stub.DeleteTask(delete, timeout=TIMEOUT_SECONDS)
    _check(created, is_right=b"running-1000" in created.resource_meta)
    _check(running, is_right=running.resource.phase == TaskExecution.RUNNING)
    _check(succeeded, is_right=succeeded.resource.phase == TaskExecution.SUCCEEDED)
    _check(succeeded, is_right=_outputs(succeeded.resource.outputs) == EXPECTED_OUTPUTS)
    for name, method, request, reply in (
        ("GetTask RUNNING", "GetTask", running_get, running),
        ("GetTask SUCCEEDED, 3 outputs", "GetTask", finished_get, succeeded),
        ("CreateTask, 3 inputs", "CreateTask", create_request("running"), created),
        ("DeleteTask", "DeleteTask", delete, deleted),
    ):
        path = f"{SERVICE}/{method}"
        yield name, Call(path, request.SerializeToString(), reply.SerializeToString())


def _variables(**types: SimpleType) -> VariableMap:
    return VariableMap(
        variables=[
            VariableEntry(key=name, value=Variable(type=LiteralType(simple=simple)))
            for name, simple in types.items()
        ]
    )


def _literal(name: str, value: Primitive) -> NamedLiteral:
    return NamedLiteral(name=name, value=Literal(scalar=Scalar(primitive=value)))


def _outputs(outputs: Outputs) -> dict[str, Primitive]:
    return {each.name: each.value.scalar.primitive for each in outputs.literals}


def _execution_metadata(run: str) -> TaskExecutionMetadata:
    execution = WorkflowExecutionIdentifier(project="project", domain="development", name=run)
    return TaskExecutionMetadata(
        task_execution_id=TaskExecutionIdentifier(
            node_execution_id=NodeExecutionIdentifier(node_id="a0", execution_id=execution),
            retry_attempt=0,
        ),
        namespace="project-development",
        labels={"team": "data"},
        k8s_service_account="default",
    )


def _check(reply: object, *, is_right: bool) -> None:
    if not is_right:
        message = f"unexpected reply: {reply}"
        raise WrongAnswerError(message)
