"""Protobuf to native and back: by the declared interface, and no secret on the way out."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from typing import Any

import pytest
from fake_jobs import template
from flyte_connectors import Phase, Resource
from flyte_connectors._dispatch import wire
from flyte_connectors.errors import InternalError, InvalidRequestError
from flyte_connectors.secrets import protected
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.types import codec_for_type
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.core.interface_pb2 import VariableMap
from flyteidl2.core.literals_pb2 import Literal, LiteralMap
from flyteidl2.core.types_pb2 import SimpleType
from flyteidl2.task.common_pb2 import Inputs
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: TEXT,
    bool: st.booleans(),
    dt.datetime: st.datetimes(
        min_value=dt.datetime(1900, 1, 1),  # noqa: DTZ001  (the zone comes below)
        max_value=dt.datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(dt.timezone.utc),
    ),
    dt.timedelta: st.timedeltas(dt.timedelta(days=-1000), dt.timedelta(days=1000)),
    list[int]: st.lists(st.integers(-(2**63), 2**63 - 1)),
    dict[str, float]: st.dictionaries(TEXT, st.floats(allow_nan=False)),
    list[dict[str, str]]: st.lists(st.dictionaries(TEXT, TEXT)),
}
NAMES = st.text("abcdefgh_", min_size=1, max_size=6)


@st.composite
def _interfaces(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Types and fitting values by name."""
    types = draw(st.dictionaries(NAMES, st.sampled_from(list(VALUES)), max_size=5))
    return types, {name: draw(VALUES[type_]) for name, type_ in types.items()}


def write(resource: Any, outputs: bytes | None = b"", task: str = "fake_job") -> pb.Resource:
    message = pb.Resource()
    wire.write_resource(resource, outputs, task, message)
    return message


class TestInputs:
    """From a request to a connector."""

    @given(_interfaces(), st.randoms())
    def test_values_arrive_as_they_were_sent(
        self, interface: tuple[dict[str, Any], dict[str, Any]], random: Any
    ) -> None:
        """Whatever order they come in, they are read in the declared one."""
        types, values = interface
        sent = list(NativeInterface(types).write_inputs("count", values).literals)
        random.shuffle(sent)
        read = wire.read_inputs(template(types), Inputs(literals=sent))
        assert read == values
        assert list(read) == list(types)
        assert [type(value) for value in read.values()] == [type(value) for value in values.values()]

    def test_a_missing_input_is_named(self) -> None:
        """It is not left out silently."""
        sent = NativeInterface({"a": int}).write_inputs("count", {"a": 1})
        with pytest.raises(InvalidRequestError, match=r"^inputs\.b: missing: task 'count'"):
            wire.read_inputs(template({"a": int, "b": str}), sent)

    @pytest.mark.parametrize(("declared", "listed"), [({"a": int}, "a"), ({}, "none")])
    def test_an_undeclared_input_is_named(self, declared: dict[str, Any], listed: str) -> None:
        """With those that the task has."""
        values = dict.fromkeys([*declared, "x"], 1)
        sent = NativeInterface(dict.fromkeys(values, int)).write_inputs("count", values)
        with pytest.raises(InvalidRequestError, match=rf"^inputs\.x: undeclared: .* are {listed}$"):
            wire.read_inputs(template(declared), sent)

    @pytest.mark.parametrize(
        ("declared", "value"),
        [(int, "1"), (int, 1.5), (str, 1), (bool, 1), (list[int], [1, "2"]), (dict[str, int], [1])],
    )
    def test_a_wrong_type_is_named(self, declared: Any, value: Any) -> None:
        """With the task."""
        actual = type(value)
        if actual is list:
            actual = list[int] if value == [1] else list[int | str]
        sent = NativeInterface({"a": actual}).write_inputs("count", {"a": value})
        with pytest.raises(InvalidRequestError, match=r"^inputs\.a: .* \(task 'count'\)$"):
            wire.read_inputs(template({"a": declared}), sent)

    def test_the_second_of_two_bad_inputs_waits(self) -> None:
        """The first in the declared order is named."""
        with pytest.raises(InvalidRequestError, match=r"^inputs\.b:"):
            wire.read_inputs(template({"b": int, "a": int}), Inputs())


class TestOutputs:
    """From a connector to the reply."""

    @given(_interfaces(), st.randoms())
    def test_values_are_written_as_declared(
        self, interface: tuple[dict[str, Any], dict[str, Any]], random: Any
    ) -> None:
        """By name, whatever order the connector gives them in; the caller reads them back equal."""
        types, values = interface
        given_ = list(values.items())
        random.shuffle(given_)
        declared = wire.declared_outputs(template(outputs=types))
        message = write(Resource(Phase.SUCCEEDED, outputs=dict(given_)), declared)
        assert message.phase == Phase.SUCCEEDED, message.message
        assert NativeInterface({}, types).read_outputs("count", message.outputs) == values

    @pytest.mark.parametrize(
        ("declared", "value", "field"),
        [
            (float, 3, "float_value"),
            (int, 3, "integer"),
            (dt.timedelta, dt.timedelta(seconds=1), "duration"),
        ],
    )
    def test_the_declared_type_decides(self, declared: Any, value: Any, field: str) -> None:
        """`3` for a float is a float, not an integer."""
        outputs = wire.declared_outputs(template(outputs={"o": declared}))
        message = write(Resource(Phase.SUCCEEDED, outputs={"o": value}), outputs)
        primitive = message.outputs.literals[0].value.scalar.primitive
        assert primitive.WhichOneof("value") == field

    @pytest.mark.parametrize("value", [[1, 2], b"bytes", {"a": 1}, None])
    def test_nothing_is_pickled(self, value: Any) -> None:
        """Where the types are unknown, values are typed by themselves, or refused; never pickled."""
        message = write(Resource(Phase.SUCCEEDED, outputs={"o": value}), None)
        for named in message.outputs.literals:
            assert "pickle" not in str(named.value).lower()
        assert message.outputs.literals or message.phase == Phase.FAILED

    @pytest.mark.parametrize(
        ("outputs", "said"),
        [
            ({}, r"outputs\.rows: missing; the connector gave none"),
            ({"row": 1}, r"outputs\.rows: missing; the connector gave row"),
            ({"rows": 1, "more": 2}, r"outputs\.more: undeclared; the task declares rows"),
            ({"rows": "1"}, r"outputs\.rows: expected int"),
            ({"rows": None}, r"outputs\.rows: expected int"),
        ],
    )
    def test_a_misfit_fails_the_task(self, outputs: dict[str, Any], said: str) -> None:
        """An error would be polled again and again; a failed job with a reason ends it."""
        declared = wire.declared_outputs(template(outputs={"rows": int}))
        message = write(Resource(Phase.SUCCEEDED, outputs=outputs), declared)
        assert message.phase == Phase.FAILED
        assert not message.HasField("outputs")
        assert re.match(said, message.message), message.message

    def test_literals_pass_through(self) -> None:
        """A connector may speak protobuf: whole maps, or single values."""
        literal: Literal = codec_for_type(int).encode(7)
        declared = wire.declared_outputs(template(outputs={"o": int}))
        for outputs in ({"o": literal}, LiteralMap(literals={"o": literal})):
            message = write(Resource(Phase.SUCCEEDED, outputs=outputs), declared)
            assert message.outputs.literals[0].value == literal

    def test_outputs_belong_to_success(self) -> None:
        """A job that is still running has none."""
        declared = wire.declared_outputs(template(outputs={"o": int}))
        assert not write(Resource(Phase.RUNNING, outputs={"o": 1}), declared).HasField("outputs")

    def test_outputs_can_be_elsewhere(self) -> None:
        """None leaves them to the output prefix; an empty table is an answer."""
        declared = wire.declared_outputs(template(outputs={"o": int}))
        assert not write(Resource(Phase.SUCCEEDED), declared).HasField("outputs")

    def test_declared_types_travel_compactly(self) -> None:
        """The schema of a dataclass, which can be kilobytes, stays behind; the values still encode."""
        fields = [(f"a_rather_long_field_name_{n}", int) for n in range(100)]
        wide = dataclasses.make_dataclass("Wide", fields)
        data = wire.declared_outputs(template(outputs={"o": wide}))
        assert len(data) < 100
        (entry,) = VariableMap.FromString(data).variables
        assert entry.value.type.simple == SimpleType.STRUCT
        value = wide(*range(100))
        message = write(Resource(Phase.SUCCEEDED, outputs={"o": value}), data)
        assert NativeInterface({}, {"o": wide}).read_outputs("count", message.outputs) == {"o": value}


class TestResources:
    """What a connector reports."""

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.UNDEFINED])
    def test_every_phase_travels(self, phase: Phase) -> None:
        """As `Phase` or as its number."""
        assert write(Resource(phase)).phase == phase
        assert write(Resource(int(phase), message="m")).phase == phase

    @pytest.mark.parametrize("phase", [0, 9, -1, None, "RUNNING"])
    def test_no_other_phase_does(self, phase: Any) -> None:
        """UNDEFINED is a system failure to the back end: it is never sent."""
        with pytest.raises(InternalError, match=r"'fake_job' reported phase .*: use one of Phase"):
            write(Resource(phase))

    @pytest.mark.parametrize("answer", [None, {"phase": 2}, "RUNNING"])
    def test_what_is_no_resource_is_named(self, answer: Any) -> None:
        """A connector that forgot `return` gets a clear error."""
        with pytest.raises(InternalError, match="'fake_job'"):
            write(answer)

    def test_details_travel(self) -> None:
        """Message, links and custom info."""
        message = write(
            Resource(
                Phase.RUNNING,
                message="7 of 9",
                log_links=[TaskLog(uri="http://logs", name="Logs", ready=True)],
                custom_info={"progress": 0.5, "stages": [{"name": "map"}]},
            )
        )
        assert message.message == "7 of 9"
        assert (message.log_links[0].uri, message.log_links[0].ready) == ("http://logs", True)
        assert message.custom_info["progress"] == 0.5
        assert message.custom_info["stages"][0]["name"] == "map"

    @pytest.mark.parametrize("info", [{"at": dt.datetime(2026, 1, 1)}, {"s": {1}}, ["not a table"]])  # noqa: DTZ001
    def test_info_that_is_no_json_is_named(self, info: Any) -> None:
        """The author learns which part of the answer is wrong."""
        with pytest.raises(InternalError, match="custom_info"):
            write(Resource(Phase.RUNNING, custom_info=info))

    @given(
        st.sampled_from([phase for phase in Phase if phase is not Phase.UNDEFINED]),
        st.lists(st.booleans(), min_size=5, max_size=5),
        TEXT,
    )
    def test_no_secret_travels(self, phase: Phase, places: list[bool], around: str) -> None:
        """Not in the message, links, custom info, or the reason of a failure; in any phase."""
        canary = "cAnAry-0815"
        text = [f"{around}{canary}{around}" if place else None for place in places]
        resource = Resource(
            phase,
            message=text[0],
            log_links=[TaskLog(uri=f"http://h/{text[1]}", name=text[2] or "")],
            custom_info={"a": [text[3]], text[3] or "b": 1} if places[3] else None,
            outputs={f"o{text[4]}": math.pi},
        )
        with protected({"s": canary}):
            assert canary.encode() not in write(resource).SerializeToString()
