"""Values that don't fit: refused with task and field, or carried without loss; here as on a service."""

from __future__ import annotations

import dataclasses
import enum
import math
from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgpack
import pytest
from flyte_connectors import File
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.types import codec_for_type
from flyteidl2.core.literals_pb2 import Literal

from tests.service.client import Client, refusal
from tests.specification.echo import Echo, EchoTask
from tests.specification.running import create_request, running_on, serving_here

PLACES = pytest.mark.parametrize("place", ["local", "service"])
HUNDRED_MEGABYTES = 100 * 1024 * 1024


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def itself(value: Any) -> Literal:
    """A literal typed by the value alone, as a client that ignores the interface sends it."""
    return codec_for_type(type(value)).encode(value)


def struct(packed: bytes) -> Literal:
    literal = Literal()
    literal.scalar.binary.tag = "msgpack"
    literal.scalar.binary.value = packed
    return literal


class Case(NamedTuple):
    """A value that does not fit.

    Attributes:
        declared: The type that the task declares.
        fitting: A value of it.
        value: The bad value.
        fault: What the error says about the value.
        sent: A literal that tells the service the same, of a client that did not check.
        sent_fault: What the service says about that.
    """

    declared: Any
    fitting: Any
    value: Any
    fault: str
    sent: Literal
    sent_fault: str


BAD = {
    "wrong type": Case(int, 1, "three", "expected int, got 'three' (str)", itself("three"), "expected int"),
    "3.5 for int": Case(int, 1, 3.5, "expected int, got 3.5 (float)", itself(3.5), "expected int"),
    "2**70": Case(int, 1, 2**70, "does not fit into a 64-bit integer", itself(2.0**70), "expected int"),
    "None": Case(str, "", None, "expected str, got None", itself(None), "expected str"),
    "enum name": Case(Color, Color.RED, "GREEN", "got 'GREEN' (str)", itself("GREEN"), "'GREEN'"),
    "extra field": Case(
        Point, Point(1), {"x": 1, "z": 2}, "Point has no field 'z'; it has x, y",
        struct(msgpack.packb({"x": 1, "z": 2})), "Point has no field 'z'; it has x, y",
    ),
    "missing field": Case(
        Point, Point(1), {"y": 1.0}, "the field 'x' of Point is missing",
        struct(msgpack.packb({"y": 1.0})), "the field 'x' of Point is missing",
    ),
    "item of a list": Case(
        list[int], [1], [1, "x"], "[1]: expected int, got 'x' (str)",
        codec_for_type(list[str]).encode(["x"]), "[0]: expected int",
    ),
    "deep nesting": Case(
        dict, {}, nested(5000), "", struct(b"\x81\xa1a" * 5000 + b"\x80"), "",
    ),
}  # fmt: skip
bad = pytest.mark.parametrize("case", BAD.values(), ids=BAD)


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    return str(error)


@PLACES
@bad
async def test_a_bad_input_is_refused_before_anything_starts(place: str, case: Case) -> None:
    """Whoever calls the task sees the task, the input and the fault."""
    connector = Echo()
    async with running_on(place, connector):
        with pytest.raises(InvalidRequestError) as caught:
            await EchoTask({"v": case.declared}).execute(v=case.value)
    text = one_line(caught.value)
    assert text.startswith("inputs.v: ")
    assert case.fault in text
    assert text.endswith("(task 'the_task')")
    assert connector.created == []


@bad
async def test_a_service_refuses_what_a_client_did_not_check(case: Case) -> None:
    """INVALID_ARGUMENT, with the same task, input and fault."""
    connector = Echo()
    async with serving_here(connector) as address, Client(address) as client:
        request = create_request(EchoTask({"v": case.declared}), v=case.fitting)
        request.inputs.literals[0].value.CopyFrom(case.sent)
        code, text = await refusal(client.jobs.CreateTask(request))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("inputs.v: ")
    assert case.sent_fault in text
    assert "(task 'the_task')" in text
    assert connector.created == []


@PLACES
@bad
async def test_a_bad_output_fails_the_task(place: str, case: Case) -> None:
    """With the output, the task and the fault: polling again would change nothing."""
    async with running_on(place, Echo({"r": case.value})):
        with pytest.raises(TaskFailedError) as caught:
            await EchoTask(outputs={"r": case.declared}).execute()
    text = one_line(caught.value)
    assert text.startswith("task 'the_task' failed: outputs.r: ")
    assert "expected one of 'RED', 'BLUE'" in text if case.declared is Color else case.fault in text


@PLACES
@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "inputs.v: missing: task 'the_task' requires it"),
        ({"v": 1, "w": 2}, "inputs.w: undeclared: the inputs of task 'the_task' are v"),
    ],
    ids=["missing", "extra"],
)
async def test_inputs_are_those_of_the_interface(place: str, inputs: dict[str, Any], text: str) -> None:
    """A missing one and an extra one are named."""
    connector = Echo()
    async with running_on(place, connector):
        with pytest.raises(InvalidRequestError) as caught:
            await EchoTask({"v": int}).execute(**inputs)
    assert one_line(caught.value) == text
    assert connector.created == []


@PLACES
@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({}, "outputs.r: missing; the connector gave none"),
        ({"s": 1}, "outputs.r: missing; the connector gave s"),
        ({"r": 1, "s": 2}, "outputs.s: undeclared; the task declares r"),
    ],
    ids=["missing", "another", "extra"],
)
async def test_outputs_are_those_of_the_interface(place: str, outputs: dict[str, Any], text: str) -> None:
    """A missing one and an undeclared one are named."""
    async with running_on(place, Echo(outputs)):
        with pytest.raises(TaskFailedError) as caught:
            await EchoTask(outputs={"r": int}).execute()
    assert one_line(caught.value) == f"task 'the_task' failed: {text} (task type 'echo')"


class Carried(NamedTuple):
    """A value that is odd, but travels.

    Attributes:
        declared: The type that the task declares.
        value: The value.
        arrives: What it is at the other end.
    """

    declared: Any
    value: Any
    arrives: Any


NAIVE = datetime(2024, 5, 1, 12, 30)  # noqa: DTZ001
CARRIED = {
    "infinity": Carried(float, math.inf, math.inf),
    "int for float": Carried(float, 3, 3.0),
    "int's limits": Carried(list[int], [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
    "naive datetime is UTC": Carried(datetime, NAIVE, NAIVE.replace(tzinfo=timezone.utc)),
    "empty text": Carried(str, "", ""),
    "text with NUL": Carried(str, "a\0b", "a\0b"),
    "nested 100 deep": Carried(dict, nested(100), nested(100)),
    "dict for a dataclass": Carried(Point, {"x": 1}, Point(1)),
    "three megabytes": Carried(str, "x" * (3 * 1024 * 1024), "x" * (3 * 1024 * 1024)),
}
carried = pytest.mark.parametrize("case", CARRIED.values(), ids=CARRIED)


def same(got: Any, expected: Any) -> bool:
    """Equal, where dataclasses of one name and content count as equal, as across a service."""
    if dataclasses.is_dataclass(expected):
        return type(got).__name__ == type(expected).__name__ and vars(got) == vars(expected)
    return bool(got == expected)


@PLACES
@carried
async def test_odd_values_travel_unchanged(place: str, case: Carried) -> None:
    """In as input, and back as output."""
    connector = Echo({"r": case.value})
    async with running_on(place, connector):
        result = await EchoTask({"v": case.declared}, {"r": case.declared}).execute(v=case.value)
    assert same(result, case.arrives)
    assert same(connector.created[0]["v"], case.arrives)


@PLACES
async def test_nan_travels_as_nan(place: str) -> None:
    """It equals nothing, not even itself."""
    connector = Echo({"r": math.nan})
    async with running_on(place, connector):
        result = await EchoTask({"v": float}, {"r": float}).execute(v=math.nan)
    assert math.isnan(result)
    assert math.isnan(connector.created[0]["v"])


@PLACES
async def test_a_file_that_does_not_exist_is_refused_where_it_should_be(place: str) -> None:
    """As an input: the caller's disk is at hand."""
    connector = Echo()
    async with running_on(place, connector):
        with pytest.raises(InvalidRequestError) as caught:
            await EchoTask({"v": File}).execute(v=File("/no/such/file"))
    expected = "inputs.v: the file /no/such/file does not exist (task 'the_task')"
    assert one_line(caught.value) == expected
    assert connector.created == []


@PLACES
@pytest.mark.parametrize("reported", [File("/their/disk/model"), "/their/disk/model"])
async def test_a_file_of_another_machine_is_a_reference(place: str, reported: Any) -> None:
    """As an output: a connector reports where a job has put something, as a File or its URI."""
    async with running_on(place, Echo({"r": reported})):
        result = await EchoTask(outputs={"r": File}).execute()
    assert result == File("/their/disk/model")


@PLACES
async def test_a_hundred_megabytes_come_back_through_the_output_prefix(place: str) -> None:
    """The back end's client reads replies of 4 MiB, so the text is stored, and read by the caller."""
    text = "x" * HUNDRED_MEGABYTES
    async with running_on(place, Echo({"r": text})):
        assert await EchoTask(outputs={"r": str}).execute() == text


async def test_a_hundred_megabytes_are_taken_here() -> None:
    """No message has to carry them."""
    connector = Echo()
    async with running_on("local", connector):
        await EchoTask({"v": str}).execute(v="x" * HUNDRED_MEGABYTES)
    assert len(connector.created[0]["v"]) == HUNDRED_MEGABYTES


async def test_a_hundred_megabytes_are_too_much_for_a_request() -> None:
    """Said at once and not sent again, with the ways out."""
    connector = Echo()
    async with running_on("service", connector):
        with pytest.raises(InvalidRequestError, match=r"larger than max .* pass large data as a File"):
            await EchoTask({"v": str}).execute(v="x" * HUNDRED_MEGABYTES)
    assert connector.created == []
