"""The requests of the trivial connector's task, and the calls that check what it replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    GetTaskRequest,
    GetTaskResponse,
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

from benchmarks.http2_load import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.message import Message

SERVICE = "/flyteidl2.connector.AsyncConnectorService"
TASK_TYPE, BLOCKING_TASK_TYPE = "benchmark", "benchmark_blocking"
OUTPUT_PREFIX = "s3://bucket/metadata/run/a0"
TIMEOUT_SECONDS = 30.0
SETUP_IN_FLIGHT = 32
EXPECTED_OUTPUTS = {
    "rows": Primitive(integer=1000),
    "mean": Primitive(float_value=0.5),
    "table": Primitive(string_value="s3://bucket/table"),
}


class WrongAnswerError(Exception):
    """A contender does not do what is measured."""


@dataclass(frozen=True)
class Calls:
    """Unary calls: their method's path, serialised requests and the serialised replies to them."""

    path: str
    requests: Sequence[bytes]
    replies: Sequence[bytes]


def create_request(state: str, task_type: str = TASK_TYPE, run: str = "", more_inputs: int = 0) -> CreateTaskRequest:
    """A task with three inputs, or more, and three outputs, whose job will be in `state`."""
    extra = {f"extra{number}": Primitive(string_value="text") for number in range(more_inputs)}
    inputs = {
        "state": Primitive(string_value=state),
        "rows": Primitive(integer=1000),
        "ratio": Primitive(float_value=0.5),
        **extra,
    }
    template = TaskTemplate(
        id=Identifier(project="project", domain="development", name="benchmark", version="v1"),
        type=task_type,
        interface=TypedInterface(
            inputs=_variables(
                state=SimpleType.STRING,
                rows=SimpleType.INTEGER,
                ratio=SimpleType.FLOAT,
                **dict.fromkeys(extra, SimpleType.STRING),
            ),
            outputs=_variables(rows=SimpleType.INTEGER, mean=SimpleType.FLOAT, table=SimpleType.STRING),
        ),
    )
    template.custom["endpoint"] = "https://example.com"
    return CreateTaskRequest(
        template=template,
        inputs=Inputs(literals=[_literal(name, value) for name, value in inputs.items()]),
        output_prefix=OUTPUT_PREFIX,
        task_execution_metadata=_execution_metadata(run=run or state),
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


def checked_calls(address: tuple[str, int], jobs: int) -> Iterator[tuple[str, Calls]]:
    """The calls to be measured, by name, each about another job; all made once and checked.

    Raises:
        WrongAnswerError: A reply does not say what it must.
    """
    creates = {
        state: [_serialised(create_request(state, run=f"{state}-{n}")) for n in range(jobs)]
        for state in ("running", "succeeded")
    }
    created = {state: _answered(address, "CreateTask", all_) for state, all_ in creates.items()}
    metas = {
        state: [CreateTaskResponse.FromString(reply).resource_meta for reply in replies]
        for state, replies in created.items()
    }
    for meta in metas["running"]:
        _check(meta, is_right=b"running-1000" in meta)
    gets = {state: [_serialised(get_request(meta)) for meta in all_] for state, all_ in metas.items()}
    running, succeeded = (_answered(address, "GetTask", gets[state]) for state in gets)
    for reply in map(GetTaskResponse.FromString, running):
        _check(reply, is_right=reply.resource.phase == TaskExecution.RUNNING)
    for reply in map(GetTaskResponse.FromString, succeeded):
        _check(reply, is_right=reply.resource.phase == TaskExecution.SUCCEEDED)
        _check(reply, is_right=_outputs(reply.resource.outputs) == EXPECTED_OUTPUTS)
    category = TaskCategory(name=TASK_TYPE)
    deletes = [_serialised(DeleteTaskRequest(resource_meta=meta, task_category=category)) for meta in metas["running"]]
    deleted = _answered(address, "DeleteTask", deletes)
    for name, method, requests, replies in (
        ("GetTask RUNNING", "GetTask", gets["running"], running),
        ("GetTask SUCCEEDED, 3 outputs", "GetTask", gets["succeeded"], succeeded),
        ("CreateTask, 3 inputs", "CreateTask", creates["running"], created["running"]),
        ("DeleteTask", "DeleteTask", deletes, deleted),
    ):
        yield name, Calls(f"{SERVICE}/{method}", requests, replies)


def metas_of(address: tuple[str, int], state: str, jobs: int) -> list[bytes]:
    """Resource metas of so many jobs that will be in `state`."""
    creates = [_serialised(create_request(state, run=f"{state}-{n}")) for n in range(jobs)]
    replies = _answered(address, "CreateTask", creates)
    return [CreateTaskResponse.FromString(reply).resource_meta for reply in replies]


def _serialised(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _answered(address: tuple[str, int], method: str, requests: Sequence[bytes]) -> list[bytes]:
    with connect(address, f"{SERVICE}/{method}") as connection:
        return connection.exchange(requests, in_flight=SETUP_IN_FLIGHT)


def _variables(**types: SimpleType) -> VariableMap:
    return VariableMap(
        variables=[
            VariableEntry(key=name, value=Variable(type=LiteralType(simple=simple))) for name, simple in types.items()
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
