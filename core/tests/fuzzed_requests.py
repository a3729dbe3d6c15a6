"""Requests that a hostile or broken client may send: right ones with random changes, and random ones.

Everything is drawn from a `random.Random`, so that a seed names a request and thousands a second can be made; `requests`
is the same as a hypothesis strategy. Only the protocol is known here, no connector.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType, SimpleType
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_LARGEST = {  # by protobuf's number of a type: unsigned, bits
    FieldDescriptor.TYPE_INT64: (False, 64),
    FieldDescriptor.TYPE_SINT64: (False, 64),
    FieldDescriptor.TYPE_SFIXED64: (False, 64),
    FieldDescriptor.TYPE_INT32: (False, 32),
    FieldDescriptor.TYPE_SINT32: (False, 32),
    FieldDescriptor.TYPE_SFIXED32: (False, 32),
    FieldDescriptor.TYPE_UINT64: (True, 64),
    FieldDescriptor.TYPE_FIXED64: (True, 64),
    FieldDescriptor.TYPE_UINT32: (True, 32),
    FieldDescriptor.TYPE_FIXED32: (True, 32),
}
_TEXTS = [
    "", "x", "inputs", "self", "secrets", "token", "\0", "\x00fc1", "../..", "a/b", ".", "é漢😀", "%s%n{0}", "null",
    "NaN", "1e999", "-1", "true", "[]", "{}", '{"x": 1}', "[" * 2000, '{"a":' * 2000, "'", '"', "\r\n", "file:///etc/passwd",
    "s3://bucket/key", "http://169.254.169.254/", "PythonPickle", "msgpack", "x" * 5000, "2026-13-45T99:99:99Z",
]  # fmt: skip
_BYTES = [
    b"",
    b"\0",
    b"\x00fc1",
    b"\xff\xfe",
    b"{}",
    b"\x81\xa1x\x01",
    b"\x91" * 3000,
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",
]
_DOUBLES = [
    0.0,
    -0.0,
    1.5,
    2.0,
    1e308,
    -1e308,
    5e-324,
    float("nan"),
    float("inf"),
    -float("inf"),
    2.0**63,
]


def random_message(draw: random.Random, kind: type[Message], depth: int = 5) -> Any:
    """A message of `kind` with random fields, nested to `depth` at most."""
    message: Any = kind()
    _fill(draw, message, depth)
    return message


def changed(draw: random.Random, message: Any, times: int = 1) -> Any:
    """A copy of `message` in which some fields, however deep, are others."""
    copy = type(message)()
    copy.CopyFrom(message)
    for _ in range(times):
        _change(draw, copy)
    return copy


def deep_literal(draw: random.Random, levels: int) -> Any:
    """A literal nested as deep as parsers still read."""
    literal: Any = Literal()
    inner = literal
    kind = draw.choice(["collection", "map", "union", "struct"])
    if kind == "struct":
        value = literal.scalar.generic.fields["x"]
        for _ in range(levels):
            value = value.struct_value.fields["x"]
        value.number_value = draw.choice(_DOUBLES)
        return literal
    for _ in range(min(levels, 30)):
        if kind == "collection":
            inner = inner.collection.literals.add()
        elif kind == "map":
            inner = inner.map.literals["x"]
        else:
            inner = inner.scalar.union.value
    inner.scalar.primitive.integer = 1
    return literal


def create_request(draw: random.Random, task_type: str, version: int = 0) -> Any:
    """A CreateTaskRequest whose interface and inputs may or may not fit each other."""
    request = pb.CreateTaskRequest(output_prefix="file:///nowhere")
    template = request.template
    template.type, template.task_type_version = task_type, version
    for name in draw.sample(["a", "b", "é", "", "self", "inputs"], draw.randrange(4)):
        variable = template.interface.inputs.variables.add(key=name).value
        variable.type.CopyFrom(_literal_type(draw))
        if draw.random() < 0.9:
            literal = request.inputs.literals.add(name=name).value
            literal.CopyFrom(_literal(draw, variable.type))
    for name in draw.sample(["o", "p"], draw.randrange(3)):
        output = template.interface.outputs.variables.add(key=name).value
        output.type.CopyFrom(_literal_type(draw))
    if draw.random() < 0.5:
        _fill(draw, template.custom, 4)
    if draw.random() < 0.3:
        template.custom.update({"secrets": {"x": draw.choice(_TEXTS)}})
    if draw.random() < 0.3:
        _fill(draw, request.connection, 3)
    if draw.random() < 0.5:
        _fill(draw, request.task_execution_metadata, 4)
    if draw.random() < 0.3:
        changed_request = changed(draw, request, draw.randrange(1, 4))
        changed_request.template.type = task_type
        changed_request.template.task_type_version = version
        return changed_request
    return request


def job_request(draw: random.Random, kind: type[Message], task_type: str, version: int, meta: bytes) -> Any:
    """A request of `kind` about a job, or about what may be taken for one."""
    request = random_message(draw, kind, 4)
    request.task_category.name, request.task_category.version = task_type, version
    choice = draw.random()
    if choice < 0.6:
        request.resource_meta = meta
    elif choice < 0.8:
        damaged = bytearray(meta)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        request.resource_meta = bytes(damaged[: draw.randrange(len(damaged) + 1)])
    return request


def requests(make: Callable[..., Any], *arguments: Any) -> st.SearchStrategy[Any]:
    """What `make` makes of random numbers, as a strategy: `requests(create_request, "my_task")`."""
    seeds = st.integers(0, 2**64 - 1)
    return seeds.map(lambda seed: make(random.Random(seed), *arguments))


def _literal_type(draw: random.Random) -> Any:
    choice = draw.random()
    if choice < 0.5:
        return LiteralType(simple=draw.choice([*SimpleType.values(), 99]))
    if choice < 0.6:
        return LiteralType(simple=SimpleType.STRUCT, metadata=_schema(draw))
    return random_message(draw, LiteralType, 4)


def _schema(draw: random.Random) -> Any:
    """A JSON schema, such as a dataclass's: right, odd or broken."""
    types = [
        "integer",
        "number",
        "string",
        "boolean",
        "array",
        "object",
        "null",
        "nothing",
        3,
        None,
        [],
    ]
    properties = {
        name: draw.choice(
            [
                {"type": draw.choice(types), "format": draw.choice(["date-time", "int", "x"])},
                {"$ref": draw.choice(["#/$defs/T", "#", "x", ""])},
                {"anyOf": [{"type": draw.choice(types)}, {"$ref": "#/$defs/T"}]},
                {"type": "array", "items": {"type": draw.choice(types)}},
                {"type": "object", "additionalProperties": {"type": draw.choice(types)}},
                draw.choice([1, "x", None, [], {}]),
            ]
        )
        for name in ("x", "y")
    }
    schema = {
        "type": "object",
        "title": draw.choice(["T", "", "1", "class"]),
        "properties": properties,
    }
    schema["required"] = draw.choice([["x"], [], "x", [1]])
    schema["$defs"] = {"T": draw.choice([schema["properties"]["x"], {"type": "object"}, {"$ref": "#/$defs/T"}])}
    message: Any = pb.CreateTaskRequest().template.custom
    message.update(schema)
    return message


def _literal(draw: random.Random, literal_type: Any) -> Any:
    """A literal that resembles what `literal_type` asks for, more often than not."""
    if draw.random() < 0.1:
        return deep_literal(draw, draw.choice([1, 10, 40]))
    literal: Any = Literal()
    if literal_type.simple == SimpleType.STRUCT and draw.random() < 0.8:
        if draw.random() < 0.5:
            _fill(draw, literal.scalar.generic, 4)
            literal.scalar.generic.fields["x"].number_value = draw.choice(_DOUBLES)
        else:
            literal.scalar.binary.tag = draw.choice(["msgpack", "msgpack", ""])
            literal.scalar.binary.value = draw.choice(_BYTES)
        return literal
    if draw.random() < 0.6:
        _fill(draw, literal.scalar.primitive, 3)
        return literal
    return random_message(draw, Literal, 4)


def _fill(draw: random.Random, message: Any, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if draw.random() < (0.5 if depth > 2 else 0.25):
            _set(draw, message, field, depth)


def _set(draw: random.Random, message: Any, field: Any, depth: int) -> None:
    inner = field.message_type
    value = getattr(message, field.name)
    if inner is not None and depth <= 0:
        return
    if inner is not None and inner.GetOptions().map_entry:
        key, item = inner.fields_by_name["key"], inner.fields_by_name["value"]
        for _ in range(draw.randrange(3)):
            if item.message_type is not None:
                _fill(draw, value[_scalar(draw, key)], depth - 1)
            else:
                value[_scalar(draw, key)] = _scalar(draw, item)
    elif hasattr(value, "add"):
        for _ in range(draw.randrange(3)):
            _fill(draw, value.add(), depth - 1)
    elif hasattr(value, "append"):
        value.extend(_scalar(draw, field) for _ in range(draw.randrange(3)))
    elif inner is not None:
        value.SetInParent()
        _fill(draw, value, depth - 1)
    else:
        setattr(message, field.name, _scalar(draw, field))


def _change(draw: random.Random, message: Any) -> None:
    """Set or clear one field of `message` or of a message within it."""
    inner = [value for _, value in message.ListFields() if isinstance(value, Message)]
    for _, value in message.ListFields():
        if hasattr(value, "add"):
            inner += value
    if inner and draw.random() < 0.8:
        _change(draw, draw.choice(inner))
        return
    if not message.DESCRIPTOR.fields:
        return
    field = draw.choice(list(message.DESCRIPTOR.fields))
    if draw.random() < 0.3:
        message.ClearField(field.name)
    else:
        _set(draw, message, field, 3)


def _scalar(draw: random.Random, field: Any) -> Any:  # noqa: PLR0911  (one line per kind of field)
    if field.type == FieldDescriptor.TYPE_STRING:
        if draw.random() < 0.3:
            return "".join(draw.choices(string.printable, k=draw.randrange(12)))
        return draw.choice(_TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw.choice(_BYTES) if draw.random() < 0.7 else draw.randbytes(draw.randrange(60))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw.random() < 0.5
    if field.type == FieldDescriptor.TYPE_ENUM:
        numbers = [value.number for value in field.enum_type.values]
        return draw.choice([*numbers, 99, 2**31 - 1, -1])
    if field.type in _LARGEST:
        unsigned, bits = _LARGEST[field.type]
        most = 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1
        least = 0 if unsigned else -most - 1
        return draw.choice([0, 1, 2, 1000, most, least, draw.randint(least, most)])
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return draw.choice([0.0, 1.5, float("nan"), float("inf")])
    return draw.choice(_DOUBLES)
