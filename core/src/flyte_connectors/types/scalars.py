"""Codecs of the simple types: numbers, text, dates and times, durations, None and bytes.

These run on every call for almost every field, so each direction is one small function. The
literals are the official SDK's, except that it pickles ``bytes``; here these travel as they do
inside a dataclass, as msgpack.

A literal may also hold msgpack instead of a primitive: Flyte's back end hands over a field of a
dataclass that way (``order.amount``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType, SimpleType

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import Codec, mismatch, short, wrong_literal
from flyte_connectors.types.msgpack_binary import binary_literal, holds_msgpack, unpack

_T = TypeVar("_T")


def _write_int(value: Any, literal: Literal) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise mismatch("int", value)
    try:
        literal.scalar.primitive.integer = value
    except ValueError:
        raise ConversionError(f"{short(value)} does not fit into a 64-bit integer") from None


def _decode_int(literal: Literal) -> int:
    primitive = literal.scalar.primitive
    if primitive.HasField("integer"):
        return primitive.integer
    if primitive.HasField("float_value"):
        # A console writes 3 as 3.0: JavaScript has one number type.
        number = primitive.float_value
        if number.is_integer() and -(2**63) <= number < 2**63:
            return int(number)
        raise mismatch("int", number)
    return _from_msgpack(literal, int)


def _write_float(value: Any, literal: Literal) -> None:
    if not isinstance(value, (float, int)) or isinstance(value, bool):
        raise mismatch("float", value)
    try:
        literal.scalar.primitive.float_value = value
    except (OverflowError, TypeError, ValueError):
        raise ConversionError(f"{short(value)} does not fit into a 64-bit float") from None


def _decode_float(literal: Literal) -> float:
    primitive = literal.scalar.primitive
    if primitive.HasField("float_value"):
        return primitive.float_value
    if primitive.HasField("integer"):
        return float(primitive.integer)
    return float(_from_msgpack(literal, (float, int)))


def _write_str(value: Any, literal: Literal) -> None:
    if not isinstance(value, str):
        raise mismatch("str", value)
    try:
        literal.scalar.primitive.string_value = value
    except UnicodeEncodeError:
        raise ConversionError(f"{short(value)} is not valid Unicode text (lone surrogate)") from None


def decode_str(literal: Literal) -> str:
    """Return the text in a literal."""
    primitive = literal.scalar.primitive
    if primitive.HasField("string_value"):
        return primitive.string_value
    return _from_msgpack(literal, str)


def _write_bool(value: Any, literal: Literal) -> None:
    if value is not True and value is not False:
        raise mismatch("bool", value)
    literal.scalar.primitive.boolean = value


def _decode_bool(literal: Literal) -> bool:
    primitive = literal.scalar.primitive
    if primitive.HasField("boolean"):
        return primitive.boolean
    return _from_msgpack(literal, bool)


def _write_datetime(value: Any, literal: Literal) -> None:
    """Write a datetime; without a time zone it counts as UTC, as in the official SDK."""
    if not isinstance(value, dt.datetime):
        raise mismatch("datetime", value)
    try:
        literal.scalar.primitive.datetime.FromDatetime(value)
    except (OverflowError, ValueError):
        raise ConversionError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC") from None


def _decode_datetime(literal: Literal) -> dt.datetime:
    """Read a datetime, always with the time zone UTC; nanoseconds are cut to microseconds."""
    primitive = literal.scalar.primitive
    if not primitive.HasField("datetime"):
        text = _from_msgpack(literal, str, "datetime")
        return _parse(dt.datetime.fromisoformat, text.replace("Z", "+00:00"), "datetime")
    try:
        return primitive.datetime.ToDatetime(dt.timezone.utc)
    except (OverflowError, ValueError):
        seconds = primitive.datetime.seconds
        raise ConversionError(f"{seconds} s since 1970 lie outside the years 1 to 9999") from None


def _write_date(value: Any, literal: Literal) -> None:
    """Write a day as its midnight in UTC."""
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise mismatch("date", value)
    _write_datetime(dt.datetime.combine(value, dt.time.min), literal)


def _decode_date(literal: Literal) -> dt.date:
    if literal.scalar.primitive.HasField("datetime"):
        return _decode_datetime(literal).date()
    return _parse(dt.date.fromisoformat, _from_msgpack(literal, str, "date"), "date")


def _write_timedelta(value: Any, literal: Literal) -> None:
    if not isinstance(value, dt.timedelta):
        raise mismatch("timedelta", value)
    literal.scalar.primitive.duration.FromTimedelta(value)


def _decode_timedelta(literal: Literal) -> dt.timedelta:
    primitive = literal.scalar.primitive
    if not primitive.HasField("duration"):
        return dt.timedelta(seconds=_from_msgpack(literal, (float, int), "timedelta"))
    try:
        return primitive.duration.ToTimedelta()
    except (OverflowError, ValueError):
        seconds = primitive.duration.seconds
        raise ConversionError(f"a duration of {seconds} s is too long for a timedelta") from None


def _write_none(value: Any, literal: Literal) -> None:
    if value is not None:
        raise mismatch("None", value)
    literal.scalar.none_type.SetInParent()


def _decode_none(literal: Literal) -> None:
    if not literal.scalar.HasField("none_type"):
        raise wrong_literal("None", literal)


def _write_bytes(value: Any, literal: Literal) -> None:
    if not isinstance(value, bytes):
        raise mismatch("bytes", value)
    literal.CopyFrom(binary_literal(value))


def _decode_bytes(literal: Literal) -> bytes:
    return _from_msgpack(literal, bytes)


def _from_msgpack(literal: Literal, kind: type[_T] | tuple[type[_T], ...], expected: str = "") -> _T:
    name = expected or (kind.__name__ if isinstance(kind, type) else kind[0].__name__)
    if not holds_msgpack(literal):
        raise wrong_literal(name, literal)
    value = unpack(literal)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise mismatch(name, value)
    return value


def _parse(parser: Callable[[str], _T], text: str, expected: str) -> _T:
    try:
        return parser(text)
    except (ArithmeticError, ValueError):
        raise mismatch(expected, text) from None


def _encoding(write: Callable[[Any, Literal], None]) -> Callable[[Any], Literal]:
    def encode(value: Any) -> Literal:
        literal = Literal()
        write(value, literal)
        return literal

    return encode


SCALARS = {
    python_type: Codec(python_type, LiteralType(simple=number), tag, _encoding(write), decode, write)
    for python_type, number, tag, write, decode in (
        (int, SimpleType.INTEGER, "int", _write_int, _decode_int),
        (float, SimpleType.FLOAT, "float", _write_float, _decode_float),
        (str, SimpleType.STRING, "str", _write_str, decode_str),
        (bool, SimpleType.BOOLEAN, "bool", _write_bool, _decode_bool),
        (type(None), SimpleType.NONE, "none", _write_none, _decode_none),
        (bytes, SimpleType.BINARY, "bytes", _write_bytes, _decode_bytes),
        (dt.datetime, SimpleType.DATETIME, "datetime", _write_datetime, _decode_datetime),
        (dt.date, SimpleType.DATETIME, "date", _write_date, _decode_date),
        (dt.timedelta, SimpleType.DURATION, "timedelta", _write_timedelta, _decode_timedelta),
    )
}
"""Codec by Python type."""

encode_str = SCALARS[str].encode

SCALARS_BY_NUMBER = {codec.literal_type.simple: codec for kind, codec in SCALARS.items() if kind is not dt.date}
"""Codec by ``flyteidl2.core.SimpleType``, where only the Flyte type is known."""
