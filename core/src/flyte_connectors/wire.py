"""Protobuf to native and back: pure functions, no I/O, always by the declared interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.core.interface_pb2 import VariableMap
from flyteidl2.core.literals_pb2 import Literal, LiteralMap
from flyteidl2.core.types_pb2 import SimpleType
from flyteidl2.task.common_pb2 import Outputs

from flyte_connectors.connector import Phase
from flyte_connectors.errors import InternalError, InvalidRequestError
from flyte_connectors.secrets import redact, redact_all
from flyte_connectors.types import ConversionError, codec_for_literal_type, codec_for_type

if TYPE_CHECKING:
    from flyteidl2.core.security_pb2 import Connection
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.core.types_pb2 import LiteralType
    from flyteidl2.task.common_pb2 import Inputs

    from flyte_connectors.connector import Resource

_KNOWN_PHASES = frozenset(Phase) - {Phase.UNDEFINED}


def read_inputs(template: TaskTemplate, inputs: Inputs) -> dict[str, Any]:
    """The input values by name, in the declared order.

    Raises:
        InvalidRequestError: an input is missing, undeclared or of another type than declared.
    """
    literals = {named.name: named.value for named in inputs.literals}
    values = {}
    for entry in template.interface.inputs.variables:
        name = entry.key
        try:
            literal = literals.pop(name)
        except KeyError:
            message = f"missing: task '{template.id.name}' declares it"
            raise InvalidRequestError(message, field=f"inputs.{name}") from None
        try:
            values[name] = codec_for_literal_type(entry.value.type).decode(literal)
        except ConversionError as error:
            raise _conversion_error(error, template, f"inputs.{name}") from None
    if literals:
        name = next(iter(literals))
        declared = ", ".join(values) or "none"
        message = f"undeclared: the inputs of task '{template.id.name}' are {declared}"
        raise InvalidRequestError(message, field=f"inputs.{name}")
    return values


def read_connection(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
    """The secrets and the configs that the back end sends along, by keyword argument.

    Raises:
        InvalidRequestError: a name is in both.
    """
    secrets, configs = dict(connection.secrets), dict(connection.configs)
    both = secrets.keys() & configs.keys()
    if both:
        message = "a secret and a config have this name: rename one of them"
        raise InvalidRequestError(message, field=f"connection.{min(both)}")
    return secrets, configs


def declared_outputs(template: TaskTemplate) -> bytes:
    """The output types of a task, serialized compactly for the meta envelope.

    Type metadata (a dataclass's JSON schema can be kilobytes) is left out: values of such types
    encode without it.
    """
    outputs = VariableMap()
    for entry in template.interface.outputs.variables:
        literal_type = outputs.variables.add(key=entry.key).value.type
        literal_type.CopyFrom(entry.value.type)
        if literal_type.simple == SimpleType.STRUCT:
            literal_type.ClearField("metadata")
            literal_type.ClearField("annotation")
            literal_type.structure.ClearField("dataclass_type")
    return outputs.SerializeToString()


def write_resource(resource: Resource, outputs: bytes | None, task: str) -> connector_pb2.Resource:
    """The message for what a connector reported.

    Args:
        resource: The connector's answer.
        outputs: Declared outputs from the meta envelope; None if they are not known, and each value
            is then typed by itself.
        task: The task type, for messages.

    Outputs that don't fit the declared ones make it FAILED with a message that says why: an error
    instead would be polled again and again, and never come to anything else.

    Raises:
        InternalError: the phase is none of `Phase`.
    """
    phase = resource.phase
    if phase not in _KNOWN_PHASES:
        message = f"the connector of task type '{task}' reported phase {phase!r}: use one of Phase"
        raise InternalError(message)
    if phase == Phase.RUNNING and resource.message is None and resource.custom_info is None:
        return connector_pb2.Resource(phase=phase, log_links=resource.log_links)  # the usual poll
    message = connector_pb2.Resource(phase=phase)
    if resource.message:
        message.message = redact(resource.message)
    for link in resource.log_links or ():
        entry = message.log_links.add()
        entry.CopyFrom(link)
        entry.uri, entry.name = redact(entry.uri), redact(entry.name)
    if resource.custom_info:
        message.custom_info.update(redact_all(resource.custom_info))
    if phase == Phase.SUCCEEDED and resource.outputs is not None:
        try:
            _write_outputs(resource.outputs, outputs, message.outputs)
        except _OutputError as error:
            message.ClearField("outputs")
            message.phase = TaskExecution.FAILED
            message.message = redact(f"{error} (task type '{task}')")
    return message


class _OutputError(Exception):
    """An output is missing, undeclared, or does not fit its declared type."""


def _write_outputs(
    values: Mapping[str, Any] | LiteralMap, declared: bytes | None, message: Outputs
) -> None:
    """Fill `message` with output values by name.

    Raises:
        _OutputError: an output is missing, undeclared, or does not fit its declared type.
    """
    given: Mapping[str, Any] = values.literals if isinstance(values, LiteralMap) else values
    if declared is None:
        for name, value in given.items():
            _write(message, name, value, None)
        return
    variables = VariableMap.FromString(declared).variables
    for entry in variables:
        if entry.key not in given:
            got = ", ".join(given) or "none"
            fault = f"outputs.{entry.key}: missing; the connector gave {got}"
            raise _OutputError(fault)
        _write(message, entry.key, given[entry.key], entry.value.type)
    if len(given) > len(variables):
        extra = next(name for name in given if all(name != entry.key for entry in variables))
        known = ", ".join(entry.key for entry in variables) or "none"
        fault = f"outputs.{extra}: undeclared; the task declares {known}"
        raise _OutputError(fault)


def _write(message: Outputs, name: str, value: Any, declared: LiteralType | None) -> None:
    try:
        if isinstance(value, Literal):
            literal = value
        elif declared is None:
            literal = codec_for_type(type(value)).encode(value)
        else:
            literal = codec_for_literal_type(declared).encode(value)
    except ConversionError as error:
        fault = f"outputs.{name}: {error}"
        raise _OutputError(fault) from None
    message.literals.add(name=name, value=literal)


def _conversion_error(
    error: ConversionError, template: TaskTemplate, field: str
) -> InvalidRequestError:
    return InvalidRequestError(f"{error} (task '{template.id.name}')", field=field)
