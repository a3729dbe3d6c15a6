"""Values as flytekit's connectors see them: messages of Flyte, in a map that can be printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors import NativeInterface
from flyte_connectors.types import codec_for_literal_type, codec_for_type
from flyteidl2.core import interface_pb2, literals_pb2, tasks_pb2
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType
from google.protobuf import json_format

BlobTypeFormat = StringValue = str
"""In Flyte's messages, a blob's format and a primitive's text are plain strings."""


class LiteralMap:
    """Literals by name.

    Args:
        literals: Each a `flyteidl2.core.Literal`.
    """

    def __init__(self, literals: Mapping[str, Literal]) -> None:
        self.literals = dict(literals)

    @classmethod
    def of_inputs(cls, template: tasks_pb2.TaskTemplate, values: Mapping[str, Any]) -> LiteralMap:
        """Native inputs as the literals that a task declares."""
        return cls(
            {
                variable.key: codec_for_literal_type(variable.value.type).encode(values[variable.key])
                for variable in template.interface.inputs.variables
                if variable.key in values
            }
        )

    @classmethod
    def from_flyte_idl(cls, message: literals_pb2.LiteralMap) -> LiteralMap:
        """The literals of a `flyteidl2.core.LiteralMap`."""
        return cls(message.literals)

    def to_flyte_idl(self) -> literals_pb2.LiteralMap:
        """The literals as a `flyteidl2.core.LiteralMap`."""
        return literals_pb2.LiteralMap(literals=self.literals)

    def to_json(self) -> str:
        """That message as JSON, on one line."""
        return json_format.MessageToJson(self.to_flyte_idl(), indent=None, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiteralMap) and self.literals == other.literals

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"LiteralMap({self.to_json()})"


def typed_interface(
    inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None
) -> NativeInterface:
    """An interface from Flyte's types.

    Args:
        inputs: For each input a `LiteralType`, or a `Variable` of one.
        outputs: Likewise.

    Raises:
        InvalidRequestError: a type has no form in Python.
    """
    message = interface_pb2.TypedInterface()
    for side, declared in ((message.inputs, inputs or {}), (message.outputs, outputs or {})):
        for name, given in declared.items():
            flyte_type = given if isinstance(given, LiteralType) else given.type
            side.variables.add(key=name).value.type.CopyFrom(flyte_type)
    return NativeInterface.from_proto(message)


def task_template(*, interface: Any = None, **fields: Any) -> tasks_pb2.TaskTemplate:
    """A `flyteidl2.core.TaskTemplate`; its interface may be one of `typed_interface`."""
    if isinstance(interface, NativeInterface):
        interface = interface.to_proto()
    return tasks_pb2.TaskTemplate(interface=interface, **fields)


class FlyteContext:
    """What flytekit's functions are given; values are converted without one here."""


class FlyteContextManager:
    """Where flytekit's functions have it from."""

    @staticmethod
    def current_context() -> FlyteContext:
        """The context."""
        return FlyteContext()


class TypeEngine:
    """Python values to literals, and back. The first argument of most functions, a context, is not used.

    Each raises `ConversionError` for a type or a value that has no form in Flyte.
    """

    @staticmethod
    def to_literal_type(python_type: Any) -> LiteralType:
        """Flyte's type for a Python type."""
        return codec_for_type(python_type).literal_type

    @staticmethod
    def guess_python_type(flyte_type: LiteralType) -> Any:
        """The Python type that a type of Flyte stands for."""
        return codec_for_literal_type(flyte_type).python_type

    @staticmethod
    def to_literal(_: Any, value: Any, python_type: Any, __: LiteralType | None = None) -> Literal:
        """A value as the literal of its type."""
        return codec_for_type(python_type).encode(value)

    @staticmethod
    def to_python_value(_: Any, literal: Literal, python_type: Any) -> Any:
        """The value of a literal."""
        return codec_for_type(python_type).decode(literal)

    @staticmethod
    def dict_to_literal_map(
        _: Any, values: Mapping[str, Any], type_hints: Mapping[str, Any] | None = None
    ) -> LiteralMap:
        """Values by name as literals, of the types given, or of the types they have."""
        hints = type_hints or {}
        return LiteralMap(
            {name: codec_for_type(hints.get(name, type(value))).encode(value) for name, value in values.items()}
        )

    @staticmethod
    def literal_map_to_kwargs(_: Any, literals: LiteralMap, python_types: Mapping[str, Any]) -> dict[str, Any]:
        """The values of literals by name."""
        return {name: codec_for_type(python_types[name]).decode(literal) for name, literal in literals.literals.items()}
