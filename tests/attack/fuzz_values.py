"""Random messages: by their descriptors, by damaging good ones, and by hand."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgpack
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from .envelopes import FIRST_LAYOUT, FIRST_MAGIC, sealed

DEPTH = 5
TEXTS = (
    *("", "x", "name", "honest", "batch_job", "\0", "a\nb", "../..", "é\u202e\U0001f600", "%s%n"),
    *("0", "-1", "NaN", "null", "true", "file:///nowhere", "http://[::1", "a" * 300, "{}", "[]"),
)
NUMBERS = (0, 1, -1, 2, 99, 127, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.5, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))


def fill(message: Message, draw: random.Random, depth: int = DEPTH) -> Any:
    """Set some fields of a message, and of those in it, to odd values; answers the message."""
    for field in message.DESCRIPTOR.fields:
        if draw.random() < 0.55:
            _set(message, field, draw, depth)
    return message


def _set(message: Any, field: FieldDescriptor, draw: random.Random, depth: int) -> None:
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    if is_message and depth == 0:
        return
    if is_message and field.message_type.GetOptions().map_entry:
        table, kind = getattr(message, field.name), field.message_type.fields_by_name["value"]
        for _ in range(draw.randrange(3)):
            key = draw.choice(TEXTS)
            if kind.type == FieldDescriptor.TYPE_MESSAGE:
                fill(table[key], draw, depth - 1)
            else:
                table[key] = _scalar(kind, draw)
    elif field.is_repeated:
        values = getattr(message, field.name)
        for _ in range(draw.randrange(3)):
            if is_message:
                fill(values.add(), draw, depth - 1)
            else:
                values.append(_scalar(field, draw))
    elif is_message:
        child = getattr(message, field.name)
        child.SetInParent()
        fill(child, draw, depth - 1)
    else:
        setattr(message, field.name, _scalar(field, draw))


def _scalar(field: FieldDescriptor, draw: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw.randbytes(draw.randrange(20))
    if field.enum_type:  # those that this release does not know are open
        return draw.choice((*field.enum_type.values_by_number, 99, -1))
    return _BY_KIND[field.cpp_type](draw)


_BY_KIND: dict[int, Callable[[random.Random], Any]] = {
    FieldDescriptor.CPPTYPE_STRING: lambda draw: draw.choice(TEXTS),
    FieldDescriptor.CPPTYPE_BOOL: lambda draw: draw.random() < 0.5,
    FieldDescriptor.CPPTYPE_DOUBLE: lambda draw: draw.choice(FLOATS),
    FieldDescriptor.CPPTYPE_FLOAT: lambda draw: draw.choice(FLOATS),
    FieldDescriptor.CPPTYPE_INT64: lambda draw: draw.choice(NUMBERS),
    FieldDescriptor.CPPTYPE_UINT64: lambda draw: abs(draw.choice(NUMBERS)),
    FieldDescriptor.CPPTYPE_INT32: lambda draw: (draw.choice(NUMBERS) + 2**31) % 2**32 - 2**31,
    FieldDescriptor.CPPTYPE_UINT32: lambda draw: abs(draw.choice(NUMBERS)) % 2**32,
}


def damage(data: bytes, draw: random.Random) -> bytes:
    """Good bytes, damaged in one way."""
    if not data:
        return draw.randbytes(draw.randrange(1, 20))
    place = draw.randrange(len(data))
    other = draw.randrange(len(data))
    first, last = min(place, other), max(place, other)
    return draw.choice(
        (
            data[:place],
            data[place:],
            data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :],
            data[:place] + draw.randbytes(draw.randrange(1, 9)) + data[place:],
            data[:first] + data[last:],
            data + data[first:last],
            data[first:last] * 3,
        )
    )


def envelope(task_type: str, meta: bytes, draw: random.Random) -> bytes:
    """A meta by hand, whose checksum is right though its content is not.

    Both layouts that the core reads are public, and the checksum is no secret: `_dispatch/envelope.py`.
    """
    body = _body(meta, draw)
    if draw.random() < 0.3:
        lengths = [draw.choice((0, 1, 5, 40, 255, 2**31)) for _ in range(2)]
        flag, extra = draw.random() < 0.5, draw.choice((0, 3, 2**32 - 1))
        head = FIRST_LAYOUT.pack(FIRST_MAGIC, *lengths, draw.choice((0, 3, 255)), flag, extra)
        body = head + draw.choice((body, b'{"api_key":' + b"[" * 5000, b'{"a": 1}', b"{}", meta))
        crc = zlib.crc32(body, zlib.crc32(task_type.encode()))
        return body + struct.pack("!I", crc)
    return sealed(task_type, body)


def _body(meta: bytes, draw: random.Random) -> bytes:
    """A msgpack map that is nearly an envelope, or something else."""
    odd = draw.choice((None, 1, -1, 1.5, "x", b"\xff", [], {}, [[]] * 3, {"a": {"b": 1}}, True))
    name = draw.choice(("meta", "outputs", "secrets", "key", "finished", "request", "later"))
    fields: dict[str, Any] = {"meta": meta, "key": "a-key"} | {name: odd}
    whole = msgpack.packb(fields)
    return bytes(
        draw.choice(
            (
                whole,
                whole,
                damage(whole, draw),
                msgpack.packb(odd),
                b"\x91" * 5000,  # arrays in arrays
                b"\x81\xa4meta" * 3000,
                b"\xdf\xff\xff\xff\xff",  # a map that claims four billion entries
                b"\xc6\xff\xff\xff\xff",  # as many bytes
                msgpack.packb(fields | {"secrets": {"api_key": draw.choice(TEXTS)}}),
                msgpack.packb(fields | {"request": meta, "finished": meta}),
            )
        )
    )
