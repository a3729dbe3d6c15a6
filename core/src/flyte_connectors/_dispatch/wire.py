"""Protobuf to native and back: pure functions, no I/O, always by the declared interface."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from datetime import timezone
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.core.interface_pb2 import VariableMap
from flyteidl2.core.literals_pb2 import Literal, LiteralMap
from flyteidl2.core.types_pb2 import SimpleType
from flyteidl2.task.common_pb2 import Outputs
from google.protobuf.message import DecodeError

from flyte_connectors import errors
from flyte_connectors._calls.texts import LONGEST_MESSAGE, shortened
from flyte_connectors._dispatch.redaction import redact_message
from flyte_connectors.connector import Phase
from flyte_connectors.secrets import redact
from flyte_connectors.types import Codec, ConversionError, codec_for_literal_type, codec_for_type

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.task.common_pb2 import Inputs

    from flyte_connectors.connector import Resource

logger = logging.getLogger(__name__)

_COMPACT = 512  # bytes
_LARGEST_INFO = 1024 * 1024  # bytes; the back end's client reads messages of at most 4 MiB
_KNOWN_PHASES = frozenset(Phase) - {Phase.UNDEFINED}


def read_inputs(template: TaskTemplate, inputs: Inputs) -> dict[str, Any]:
    """The input values by name, in the declared order.

    Raises:
        InvalidRequestError: an input is missing, undeclared or of another type than declared.
    """
    literals = {named.name: named.value for named in inputs.literals}
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, codec in _codecs(template.interface.inputs.SerializeToString()):
            values[name] = codec.decode(literals[name])
    except Exception as error:  # a codec raises for nothing but what it was given
        raise _input_error(error, template, inputs, name) from error
    if len(literals) > len(values):
        name = next(name for name in literals if name not in values)
        declared = ", ".join(values) or "none"
        message = f"undeclared: the inputs of task '{template.id.name}' are {declared}"
        raise errors.InvalidRequestError(message, field=f"inputs.{name}")
    return values


def read_period(request: connector_pb2.GetTaskMetricsRequest) -> dict[str, Any]:
    """The period and the step that metrics are asked for, by argument; None for what is not set.

    Raises:
        InvalidRequestError: one of them is out of range.
    """
    return {name: _moment(request, name) for name in ("start_time", "end_time", "step")}


def _moment(request: connector_pb2.GetTaskMetricsRequest, field: str) -> Any:
    if not request.HasField(field):
        return None
    value = getattr(request, field)
    try:
        return value.ToTimedelta() if field == "step" else value.ToDatetime(timezone.utc)
    except (ValueError, OverflowError):
        message = f"{value.seconds} s and {value.nanos} ns are out of range"
        raise errors.InvalidRequestError(message, field=field) from None


def declared_outputs(template: TaskTemplate) -> bytes:
    """The output types of a task, serialized compactly for the meta envelope.

    Where that would be long, type metadata (a dataclass's JSON schema can be kilobytes) is left out:
    values of such types encode without it.
    """
    declared: bytes = template.interface.outputs.SerializeToString()
    if len(declared) <= _COMPACT:
        return declared
    outputs = VariableMap()
    for entry in template.interface.outputs.variables:
        literal_type = outputs.variables.add(key=entry.key).value.type
        literal_type.CopyFrom(entry.value.type)
        if literal_type.simple == SimpleType.STRUCT:
            literal_type.ClearField("metadata")
            literal_type.ClearField("annotation")
            literal_type.structure.ClearField("dataclass_type")
    return outputs.SerializeToString()


def write_resource(resource: Resource, outputs: bytes | None, task: str, message: connector_pb2.Resource) -> None:
    """Fill `message` with what a connector reported.

    Outputs that don't fit the declared ones make it FAILED with a message that says why: an error would make
    Flyte poll again, with the same result.

    Args:
        resource: The connector's answer.
        outputs: Declared outputs from the meta envelope; None if they are not known, and each value
            is then typed by itself.
        task: The task type, for messages.
        message: What to fill.

    Raises:
        InternalError: the phase is not one of `Phase`, or the custom info is not a JSON object.
    """
    phase: Any = getattr(resource, "phase", None)
    if phase not in _KNOWN_PHASES:
        answer = type(resource).__name__
        where = f"the connector of task type '{task}'"
        raise errors.InternalError(f"{where} reported phase {phase!r} ({answer}): use one of Phase")
    message.phase = phase
    if resource.message:
        message.message = shortened(redact(resource.message), LONGEST_MESSAGE)
    if resource.log_links or resource.custom_info:
        message.log_links.extend(resource.log_links or ())
        if resource.custom_info:
            _write_info(resource.custom_info, task, message)
        redact_message(message)  # the outputs, which follow, are the user's data and stay as they are
    if phase == Phase.SUCCEEDED and resource.outputs is not None:
        try:
            write_outputs(resource.outputs, outputs, message.outputs)
        except errors.OutputError as error:
            message.ClearField("outputs")
            message.phase = TaskExecution.FAILED
            text = redact(f"{error} (task type '{task}')")
            message.message = shortened(text, LONGEST_MESSAGE)


def write_outputs(values: Mapping[str, Any] | LiteralMap, declared: bytes | None, message: Outputs) -> None:
    """Fill `message` with output values by name.

    Raises:
        OutputError: an output is missing, undeclared, or does not fit its declared type.
    """
    given: Mapping[str, Any] = values.literals if isinstance(values, LiteralMap) else values
    add = message.literals.add
    if declared is None:
        for name, value in given.items():
            _write(add(name=name).value, name, value, None)
        return
    codecs = _declared_codecs(declared)
    for name, codec in codecs:
        if name not in given:
            got = ", ".join(given) or "none"
            raise errors.OutputError(f"outputs.{name}: missing; the connector gave {got}")
        _write(add(name=name).value, name, given[name], codec)
    if len(given) > len(codecs):
        names = [name for name, _ in codecs]
        extra = next(name for name in given if name not in names)
        fault = f"outputs.{extra}: undeclared; the task declares {', '.join(names) or 'none'}"
        raise errors.OutputError(fault)


def _write_info(info: Any, task: str, message: connector_pb2.Resource) -> None:
    try:
        message.custom_info.update(info)
    except (AttributeError, TypeError, ValueError):  # protobuf's, for different misfits
        text = f"the connector of task type '{task}' reported custom_info that is not a JSON object"
        raise errors.InternalError(text) from None
    size = message.custom_info.ByteSize()
    if size > _LARGEST_INFO:
        logger.warning("custom_info of %d bytes is left out: %s", size, task)
        message.custom_info.Clear()
        message.custom_info["left_out"] = f"{size} bytes are more than {_LARGEST_INFO}"


def _write(literal: Literal, name: str, value: Any, codec: Codec | None) -> None:
    try:
        if isinstance(value, Literal):
            literal.CopyFrom(value)
        elif (codec := codec or codec_for_type(type(value))).write is None:
            literal.CopyFrom(codec.encode(value))
        else:
            codec.write(value, literal)
    except ConversionError as error:
        raise errors.OutputError(f"outputs.{name}: {error}") from None
    except Exception as error:  # of a value that no codec foresaw: asking again would not change it
        logger.warning("the output %r can't be written", name, exc_info=error)
        fault = f"outputs.{name}: a {type(value).__name__} can't be written as declared"
        raise errors.OutputError(fault) from None


def _declared_codecs(declared: bytes) -> tuple[tuple[str, Codec], ...]:
    try:
        return _codecs(declared)
    except _DeclarationError as error:
        raise errors.OutputError(f"outputs.{error.variable}: {error}") from None
    except DecodeError:
        message = "its declared outputs can't be read: pass the meta that create returned"
        raise errors.InvalidResourceMetaError(message, field="resource_meta") from None


@functools.lru_cache(maxsize=1024)
def _codecs(variables: bytes) -> tuple[tuple[str, Codec], ...]:
    """Name and codec of each variable of a serialized `VariableMap`; most tasks run many times.

    Raises:
        _DeclarationError: a type is not supported.
    """
    codecs = []
    for entry in VariableMap.FromString(variables).variables:
        try:
            codecs.append((entry.key, codec_for_literal_type(entry.value.type)))
        except ConversionError as error:
            raise _DeclarationError(str(error), entry.key) from error
    return tuple(codecs)


class _DeclarationError(ConversionError):
    """The declared type of the variable called `variable` is not supported."""

    def __init__(self, message: str, variable: str) -> None:
        super().__init__(message)
        self.variable = variable


def _input_error(error: Exception, template: TaskTemplate, inputs: Inputs, name: str) -> errors.InvalidRequestError:
    """The error of the input called `name`, or of the one whose declared type can't be read."""
    task = template.id.name
    given = [named.name for named in inputs.literals]
    if isinstance(error, _DeclarationError):
        name = error.variable
    field = f"inputs.{name}"
    if isinstance(error, KeyError) and name not in given:
        got = ", ".join(given) or "none"
        message = f"missing: task '{task}' declares it; given are {got}"
    elif isinstance(error, ConversionError):
        message = f"{error} (task '{task}')"
    else:
        logger.warning("%s of task '%s' can't be read", field, task, exc_info=error)
        message = f"its value can't be read: {type(error).__name__} (task '{task}')"
    return errors.InvalidRequestError(message, field=field)
