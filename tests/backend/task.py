"""A task that the back end runs, what it keeps of it between rounds, and the requests it makes.

Sources: `flyteidl2/connector/connector.proto`; `connector/plugin.go` and `webapi/state.go` of
Flyte's back end.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    DeleteTaskRequest,
    GetTaskRequest,
    TaskCategory,
    TaskExecutionMetadata,
)
from flyteidl2.core.identifier_pb2 import (
    Identifier,
    NodeExecutionIdentifier,
    TaskExecutionIdentifier,
    WorkflowExecutionIdentifier,
)
from flyteidl2.core.interface_pb2 import TypedInterface, Variable, VariableEntry, VariableMap
from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.core.security_pb2 import Connection
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.core.types_pb2 import INTEGER, STRING, LiteralType, SimpleType
from flyteidl2.task.common_pb2 import Inputs, NamedLiteral, Outputs
from google.protobuf.struct_pb2 import Struct

if TYPE_CHECKING:
    import random


class Outcome(enum.Enum):
    """How a task ended for its user."""

    RIGHT = "right"
    WRONG = "wrong"
    FAILED = "failed"
    STRANDED = "stranded"
    ABORTED = "aborted"
    UNDELETABLE = "undeletable"
    UNFINISHED = "unfinished"


@dataclass
class State:
    """What the back end writes down of a task: an executor that restarts knows this and no more.

    Attributes:
        attempt: The running attempt, from 0.
        resource_meta: What `CreateTask` of this attempt returned; None before that.
        failures: Failed reads of this attempt. Never reset while it lasts.
    """

    attempt: int = 0
    resource_meta: bytes | None = None
    failures: int = 0


@dataclass
class Task:
    """One run of the vendor's task `vendor_job`: it doubles `value`.

    Attributes:
        seconds: How long its external job takes.
        writes_outputs: Whether the job writes `<output_prefix>/outputs.pb` itself.
        secret: Value that the back end resolved for `custom.secrets.api_key`.
        aborts_after: Seconds from the launch to the user's abort; None to let it run.
        refused: Whether the vendor does not take it: then to fail is how it ends right.
        handles: Attempts whose job the back end holds a handle of.
    """

    name: str
    value: int
    seconds: float
    endpoint: str
    output_root: str
    secret: str
    task_type: str = "vendor_job"
    writes_outputs: bool = False
    aborts_after: float | None = None
    refused: bool = False
    state: State = field(default_factory=State)
    outcome: Outcome = Outcome.UNFINISHED
    handles: set[int] = field(default_factory=set)

    @property
    def category(self) -> TaskCategory:
        return TaskCategory(name=self.task_type)

    @property
    def output_prefix(self) -> str:
        return f"{self.output_root}/{self.name}/{self.state.attempt}"

    @property
    def connection(self) -> Connection:
        return Connection(secrets={"api_key": self.secret})

    def create_request(self, draw: random.Random) -> CreateTaskRequest:
        """The request of `CreateTask`; inputs arrive in random order, as from a Go map."""
        inputs = [
            NamedLiteral(name="name", value=_literal(string_value=self.name)),
            NamedLiteral(name="value", value=_literal(integer=self.value)),
        ]
        draw.shuffle(inputs)
        return CreateTaskRequest(
            inputs=Inputs(literals=inputs),
            template=self.template(),
            output_prefix=self.output_prefix,
            task_execution_metadata=TaskExecutionMetadata(
                task_execution_id=self._execution_id(), namespace="chaos-development"
            ),
            connection=self.connection,
        )

    def get_request(self) -> GetTaskRequest:
        """The request of `GetTask`: no interface, no execution id."""
        return GetTaskRequest(
            resource_meta=self.state.resource_meta,
            task_category=self.category,
            output_prefix=self.output_prefix,
            connection=self.connection,
        )

    def delete_request(self) -> DeleteTaskRequest:
        """The request of `DeleteTask`."""
        return DeleteTaskRequest(
            resource_meta=self.state.resource_meta,
            task_category=self.category,
            connection=self.connection,
        )

    def is_right(self, outputs: Outputs) -> bool:
        """Whether these are the outputs that this task's user waits for, by name."""
        values = {named.name: named.value.scalar.primitive for named in outputs.literals}
        return values == {
            "double": Primitive(integer=2 * self.value),
            "label": Primitive(string_value=self.name),
        }

    def template(self) -> TaskTemplate:
        """What is to be run."""
        custom = Struct()
        custom.update(
            {
                "endpoint": self.endpoint,
                "seconds": self.seconds,
                "writes_outputs": self.writes_outputs,
                "secrets": {"api_key": "vendor-api-key"},
            }
        )
        return TaskTemplate(
            id=Identifier(project="chaos", domain="development", name="vendor_job", version="v1"),
            type=self.task_type,
            interface=TypedInterface(
                inputs=variables(name=STRING, value=INTEGER),
                outputs=variables(label=STRING, double=INTEGER),
            ),
            custom=custom,
        )

    def _execution_id(self) -> TaskExecutionIdentifier:
        return TaskExecutionIdentifier(
            node_execution_id=NodeExecutionIdentifier(
                node_id="a0",
                execution_id=WorkflowExecutionIdentifier(project="chaos", domain="development", name=self.name),
            ),
            retry_attempt=self.state.attempt,
        )


def _literal(**value: Any) -> Literal:
    return Literal(scalar=Scalar(primitive=Primitive(**value)))


def variables(**types: SimpleType) -> VariableMap:
    return VariableMap(
        variables=[
            VariableEntry(key=name, value=Variable(type=LiteralType(simple=simple))) for name, simple in types.items()
        ]
    )
