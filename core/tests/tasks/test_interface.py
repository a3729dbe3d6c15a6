"""Interfaces: names, types and defaults, and values that keep to them."""

# Both spellings of optional types are tested on purpose.
# ruff: noqa: UP045

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, Optional

import pytest
from flyte_connectors import NativeInterface
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.tasks.interface import REQUIRED
from flyteidl2.core.types_pb2 import SimpleType
from flyteidl2.task.common_pb2 import Outputs
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class Split(NamedTuple):
    train: int
    test: float


def _no_outputs(a: int) -> None: ...
def _one(a: int, b: str = "x") -> float: ...
def _two(a: int) -> tuple[int, str]: ...
def _named(a: int) -> Split: ...
def _many(a: int) -> tuple[int, ...]: ...


@pytest.mark.parametrize(
    ("function", "outputs"),
    [
        (_no_outputs, {}),
        (_one, {"o0": float}),
        (_two, {"o0": int, "o1": str}),
        (_named, {"train": int, "test": float}),
        (_many, {"o0": tuple[int, ...]}),
    ],
)
def test_a_function_is_an_interface(function: Any, outputs: dict[str, Any]) -> None:
    """Outputs are named `o0`, `o1`, or as a named tuple names them."""
    interface = NativeInterface.from_callable(function)
    assert interface.outputs == outputs
    assert interface.has_outputs() is bool(outputs)
    assert interface.required_inputs() == ["a"]


def test_a_parameter_without_a_type_is_named() -> None:
    """Nothing is guessed."""

    def untyped(a, b: int) -> None:  # type: ignore[no-untyped-def]
        ...

    with pytest.raises(InvalidRequestError, match=r"^a: parameter of .*untyped has no type"):
        NativeInterface.from_callable(untyped)


@pytest.mark.parametrize(
    ("spec", "default"),
    [
        (int, REQUIRED),
        ((int, inspect.Parameter.empty), REQUIRED),
        ((int, 3), 3),
        ((int, None), REQUIRED),
        ((Optional[int], None), None),
        ((int | None, None), None),
    ],
)
def test_a_pair_is_a_type_and_its_default(spec: Any, default: Any) -> None:
    """None is the default of a type that takes it, and none of one that does not."""
    assert NativeInterface({"a": spec}).inputs["a"][1] is default


class TestBinding:
    """Arguments of a call."""

    INTERFACE = NativeInterface({"a": int, "b": (str, "x"), "c": (float, 1.0)})

    @pytest.mark.parametrize(
        ("args", "kwargs", "bound"),
        [
            ((1,), {}, (1, "x", 1.0)),
            ((1, "y"), {"c": 2.0}, (1, "y", 2.0)),
            ((), {"c": 3.0, "a": 1}, (1, "x", 3.0)),
            ((1, "y", 2.0), {}, (1, "y", 2.0)),
        ],
    )
    def test_they_are_bound_as_pythons_are(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], bound: tuple[Any, ...]
    ) -> None:
        """By position and by name, defaults for the rest."""
        values = self.INTERFACE.bind("t", args, kwargs)
        assert values == dict(zip("abc", bound, strict=True))

    @pytest.mark.parametrize(
        ("args", "kwargs", "said"),
        [
            ((), {}, r"^inputs\.a: missing: task 't' requires it"),
            ((1,), {"a": 2}, r"^inputs\.a: given twice"),
            ((1,), {"d": 2}, r"^inputs\.d: undeclared: the inputs of task 't' are a, b, c"),
            ((1, "x", 1.0, 4), {}, r"^inputs: t\(\) takes 3 inputs, 4 were given"),
        ],
    )
    def test_others_are_named(self, args: tuple[Any, ...], kwargs: dict[str, Any], said: str) -> None:
        """Missing, twice, undeclared, too many."""
        with pytest.raises(InvalidRequestError, match=said):
            self.INTERFACE.bind("t", args, kwargs)


class TestLiterals:
    """Values on their way."""

    @given(st.integers(-(2**63), 2**63 - 1), TEXT)
    def test_values_go_there_and_back(self, number: int, text: str) -> None:
        """Outputs are matched by name: whatever order they come in."""
        types = {"number": int, "text": str}
        interface = NativeInterface(types, types)
        values = {"number": number, "text": text}
        written = interface.write_inputs("t", values)
        outputs = Outputs(literals=reversed(written.literals))
        assert interface.read_outputs("t", outputs) == values

    def test_a_wrong_input_is_named(self) -> None:
        """With the task."""
        with pytest.raises(InvalidRequestError, match=r"^inputs\.a: expected int, .* \(task 't'\)"):
            NativeInterface({"a": int}).write_inputs("t", {"a": "1"})

    @pytest.mark.parametrize(
        ("types", "said"),
        [
            ({}, "task 't' returned undeclared output 'a'"),
            ({"a": int, "b": int}, "task 't' returned no output 'b'"),
            ({"a": str}, "output 'a' of task 't': expected str"),
        ],
    )
    def test_wrong_outputs_are_named(self, types: dict[str, Any], said: str) -> None:
        """They are a failure of the task."""
        written = NativeInterface({"a": int}).write_inputs("t", {"a": 1})
        with pytest.raises(TaskFailedError, match=said):
            NativeInterface({}, types).read_outputs("t", Outputs(literals=written.literals))

    def test_an_interface_has_a_protobuf_form(self) -> None:
        """In the declared order."""
        message = NativeInterface({"b": int, "a": str}, {"o": bool}).to_proto()
        assert [entry.key for entry in message.inputs.variables] == ["b", "a"]
        assert message.outputs.variables[0].value.type.simple == SimpleType.BOOLEAN

    @pytest.mark.parametrize("side", ["inputs", "outputs"])
    def test_a_type_that_flyte_lacks_is_named(self, side: str) -> None:
        """When the task is written down, not when it runs."""
        with pytest.raises(InvalidRequestError, match=rf"^{side}\.a: "):
            NativeInterface(**{side: {"a": socket_type()}}).to_proto()


def socket_type() -> Any:
    import socket

    return socket.socket
