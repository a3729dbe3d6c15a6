"""Names, types and defaults of a task's inputs and outputs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flyteidl2.core.interface_pb2 import TypedInterface
from flyteidl2.task.common_pb2 import Inputs, Outputs

from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.types import Codec, ConversionError, codec_for_literal_type, codec_for_type

REQUIRED = inspect.Parameter.empty


@dataclasses.dataclass
class NativeInterface:
    """The interface of a task in Python types.

    Args:
        inputs: For each input its type, or a pair of type and default. A pair with
            `inspect.Parameter.empty`, or with None for a type that does not take None, has no
            default: the input is required.
        outputs: Type of each output.
    """

    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = {name: _with_default(spec) for name, spec in self.inputs.items()}
        self.outputs = dict(self.outputs)

    @classmethod
    def from_callable(cls, function: Callable[..., Any]) -> NativeInterface:
        """The interface of a function with annotations.

        Outputs are named `o0`, `o1`, ... unless the function returns a named tuple.

        Raises:
            InvalidRequestError: a parameter has no annotation.
        """
        hints = typing.get_type_hints(function, include_extras=True)
        inputs = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if name not in hints:
                message = f"parameter of {function.__qualname__} has no type annotation"
                raise InvalidRequestError(message, field=name)
            inputs[name] = (hints[name], parameter.default)
        return cls(inputs, _outputs(hints.get("return")))

    @classmethod
    def from_proto(cls, interface: TypedInterface) -> NativeInterface:
        """The interface in the Python types that its Flyte types stand for.

        Raises:
            InvalidRequestError: a type has no form in Python.
        """
        inputs, outputs = (
            [
                (each.key, _codec(side, each.key, each.value.type, codec_for_literal_type))
                for each in variables.variables
            ]
            for side, variables in (("inputs", interface.inputs), ("outputs", interface.outputs))
        )
        native = cls(
            {name: codec.python_type for name, codec in inputs},
            {name: codec.python_type for name, codec in outputs},
        )
        native._input_codecs, native._output_codecs = inputs, outputs
        return native

    def required_inputs(self) -> list[str]:
        """Names of the inputs that have no default."""
        return [name for name, (_, default) in self.inputs.items() if default is REQUIRED]

    def has_outputs(self) -> bool:
        """Whether there are any outputs."""
        return bool(self.outputs)

    def bind(self, task: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every input of a call.

        Args:
            task: Name of the task, for messages.
            args: Positional arguments, in the order of the inputs.
            kwargs: Keyword arguments.

        Raises:
            InvalidRequestError: an input is missing, given twice, or not declared.
        """
        values = dict(zip(self.inputs, args, strict=False))
        given = list(args)
        if len(given) > len(self.inputs):
            message = f"{task}() takes {len(self.inputs)} inputs, {len(given)} were given"
            raise InvalidRequestError(message, field="inputs")
        for name, value in kwargs.items():
            if name not in self.inputs or name in values:
                fault = "given twice" if name in values else "undeclared"
                message = f"{fault}: the inputs of task '{task}' are {', '.join(self.inputs) or 'none'}"
                raise InvalidRequestError(message, field=f"inputs.{name}")
            values[name] = value
        for name, (_, default) in self.inputs.items():
            if name not in values:
                if default is REQUIRED:
                    message = f"missing: task '{task}' requires it"
                    raise InvalidRequestError(message, field=f"inputs.{name}")
                values[name] = default
        return values

    def write_inputs(self, task: str, values: Mapping[str, Any]) -> Inputs:
        """Bound values as literals.

        Raises:
            InvalidRequestError: a value does not fit its declared type.
        """
        message = Inputs()
        for name, codec in self._input_codecs:
            try:
                literal = codec.encode(values[name])
            except ConversionError as error:
                text = f"{error} (task '{task}')"
                raise InvalidRequestError(text, field=f"inputs.{name}") from None
            message.literals.add(name=name, value=literal)
        return message

    def write_outputs(self, task: str, result: Any) -> Outputs:
        """What a function has returned, as literals: nothing, a value, or a tuple in declared order.

        Raises:
            TaskFailedError: an output is missing or of the wrong type.
        """
        values = result if isinstance(result, tuple) and len(self.outputs) != 1 else (result,)
        if result is None and not self.outputs:
            values = ()
        if len(self.outputs) != len(values):
            text = f"returned {len(values)} outputs, {len(self.outputs)} declared"
            raise TaskFailedError(f"task '{task}' {text}")
        message = Outputs()
        for (name, codec), value in zip(self._output_codecs, values, strict=True):
            try:
                message.literals.add(name=name, value=codec.encode(value))
            except ConversionError as error:
                raise TaskFailedError(f"output '{name}' of task '{task}': {error}") from None
        return message

    def read_outputs(self, task: str, outputs: Outputs) -> dict[str, Any]:
        """The values of the declared outputs by name.

        Raises:
            TaskFailedError: an output is missing, undeclared or of another type.
        """
        literals = {named.name: named.value for named in outputs.literals}
        if undeclared := literals.keys() - self.outputs.keys():
            raise TaskFailedError(f"task '{task}' returned undeclared output '{min(undeclared)}'")
        values = {}
        for name, codec in self._output_codecs:
            if name not in literals:
                raise TaskFailedError(f"task '{task}' returned no output '{name}'")
            try:
                values[name] = codec.decode(literals[name])
            except ConversionError as error:
                raise TaskFailedError(f"output '{name}' of task '{task}': {error}") from None
        return values

    def to_proto(self) -> TypedInterface:
        """The interface as `flyteidl2.core.TypedInterface`.

        Raises:
            InvalidRequestError: a type has no form in Flyte.
        """
        message = TypedInterface()
        for name, codec in self._input_codecs:
            message.inputs.variables.add(key=name).value.type.CopyFrom(codec.literal_type)
        for name, codec in self._output_codecs:
            message.outputs.variables.add(key=name).value.type.CopyFrom(codec.literal_type)
        return message

    @functools.cached_property
    def _input_codecs(self) -> list[tuple[str, Codec]]:
        return [(name, _codec("inputs", name, spec[0])) for name, spec in self.inputs.items()]

    @functools.cached_property
    def _output_codecs(self) -> list[tuple[str, Codec]]:
        return [(name, _codec("outputs", name, type_)) for name, type_ in self.outputs.items()]


def _codec(side: str, name: str, declared: Any, codec_for: Callable[[Any], Codec] = codec_for_type) -> Codec:
    try:
        return codec_for(declared)
    except ConversionError as error:
        raise InvalidRequestError(str(error), field=f"{side}.{name}") from None


def _with_default(spec: Any) -> tuple[Any, Any]:
    if not isinstance(spec, tuple):
        return spec, REQUIRED
    python_type, default = spec
    if default is None and type(None) not in (python_type, *typing.get_args(python_type)):
        return python_type, REQUIRED
    return python_type, default


def _outputs(returned: Any) -> dict[str, Any]:
    if returned is None or returned is type(None):
        return {}
    if hasattr(returned, "_fields"):
        hints = typing.get_type_hints(returned, include_extras=True)
        return {name: hints[name] for name in returned._fields}
    if typing.get_origin(returned) is tuple and Ellipsis not in typing.get_args(returned):
        return {f"o{number}": type_ for number, type_ in enumerate(typing.get_args(returned))}
    return {"o0": returned}
