"""Plain forms of the simple types, and of enums and choices."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ConversionError
from flyte_connectors.io import DataFrame
from flyte_connectors.types.codec import mismatch
from flyte_connectors.types.form import FIELDS, Form, Spelling, instance_of
from flyte_connectors.types.texts import TEXTS

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable


_DURATION = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<years>\d+)Y)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def write_duration(value: dt.timedelta) -> str:
    """Return the ISO 8601 text of a duration, to the microsecond."""
    sign = "-" if value < dt.timedelta() else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    years, days = divmod(value.days, 365)
    date = (f"{years}Y" if years else "") + (f"{days}D" if days else "")
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    if not date and not time:
        return "PT0S"
    return f"{sign}P{date}{'T' + time if time else ''}"


def parse_duration(text: str) -> dt.timedelta:
    """Return the duration that ISO 8601 text means. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None or text in {"P", "-P", "+P"}:
        raise ValueError(text)
    parts = {name: number for name, number in match.groupdict().items() if number and name != "sign"}
    days = int(parts.pop("days", "0")) + 365 * int(parts.pop("years", "0"))  # as pydantic counts
    seconds, _, fraction = parts.pop("seconds", "0").partition(".")
    duration = dt.timedelta(
        days=days,
        seconds=int(seconds),
        microseconds=int(f"{fraction:0<6}"[:6]),
        **{name: int(number) for name, number in parts.items()},
    )
    return -duration if match["sign"] == "-" else duration


def scalar_form(python_type: Any, spelling: Spelling) -> Form | None:
    """Return the plain form of a simple type, None if it is not one."""
    special = _IN_FIELDS if spelling is FIELDS else _IN_MODELS
    try:
        return special.get(python_type) or _COMMON.get(python_type)
    except TypeError:  # not hashable
        return None


def enum_form(python_type: type[enum.Enum], *, by_name: bool) -> Form:
    """Return the plain form of an enum class: members by name or by value."""
    check = instance_of(python_type)
    members = python_type.__members__
    expected = f"{python_type.__name__} (one of {', '.join(members)})"

    def dump(value: Any) -> Any:
        member = check(value)
        return member.name if by_name else member.value

    def load(plain: Any) -> Any:
        if by_name and isinstance(plain, str) and plain in members:
            return members[plain]
        try:
            return python_type(plain)
        except ValueError:
            raise mismatch(expected, plain) from None

    return Form(dump, load)


def choice_form(choices: tuple[Any, ...]) -> Form:
    """Return the plain form of ``typing.Literal[...]`` with plain choices."""

    def check(value: Any) -> Any:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        raise mismatch(f"one of {', '.join(map(repr, choices))}", value)

    return Form(check, check)


_check_int = instance_of(int, but_not=(bool,))
_check_str = instance_of(str)
_check_bytes = instance_of(bytes)


def _check_float(value: Any) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return value
    raise mismatch("float", value)


def _load_float(value: Any) -> float:
    return float(_check_float(value))


def _as_text(
    python_type: type,
    write: Callable[[Any], str],
    read: Callable[[str], Any],
    but_not: tuple[type, ...] = (),
) -> Form:
    check = instance_of(python_type, but_not=but_not)

    def load(plain: Any) -> Any:
        try:
            return read(_check_str(plain))
        except (ArithmeticError, ValueError):
            raise mismatch(python_type.__name__, plain) from None

    return Form(lambda value: write(check(value)), load)


def _read_datetime(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _write_datetime_z(value: dt.datetime) -> str:
    text = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _load_seconds(plain: Any) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=_check_float(plain))
    except (OverflowError, ValueError):
        raise mismatch("timedelta", plain) from None


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConversionError("bytes in a tuple or typed dict travel as text, and these are not UTF-8") from None


def _dump_dataframe(value: Any) -> dict[str, Any]:
    if not isinstance(value, DataFrame) or not value.uri:
        raise mismatch("DataFrame with a uri", value)
    return {"uri": value.uri, "format": value.format}


def _load_dataframe(plain: Any) -> DataFrame:
    if not isinstance(plain, dict) or not isinstance(plain.get("uri"), str):
        raise mismatch("DataFrame with a uri", plain)
    return DataFrame(uri=plain["uri"], format=plain.get("format"))


_COMMON: dict[Any, Form] = {
    int: Form(_check_int, _check_int),
    float: Form(_check_float, _load_float),
    str: Form(_check_str, _check_str),
    bool: Form(instance_of(bool), instance_of(bool)),
    type(None): Form(instance_of(type(None), "None"), instance_of(type(None), "None")),
    dt.date: _as_text(dt.date, dt.date.isoformat, dt.date.fromisoformat, (dt.datetime,)),
    **{kind: _as_text(kind, text.write, text.read) for kind, text in TEXTS.items()},
    DataFrame: Form(_dump_dataframe, _load_dataframe),
}
_IN_FIELDS: dict[Any, Form] = {
    bytes: Form(_check_bytes, _check_bytes),
    dt.datetime: _as_text(dt.datetime, dt.datetime.isoformat, _read_datetime),
    dt.timedelta: Form(lambda value: instance_of(dt.timedelta)(value).total_seconds(), _load_seconds),
}
_IN_MODELS: dict[Any, Form] = {
    float: Form(_load_float, _load_float),
    bytes: _as_text(bytes, _utf8, str.encode),
    dt.datetime: _as_text(dt.datetime, _write_datetime_z, _read_datetime),
    dt.timedelta: _as_text(dt.timedelta, write_duration, parse_duration),
}

JSON_INT_KEY = _as_text(int, str, int, (bool,))
"""Plain form of a whole number that is the key of a map in JSON, where keys are text."""
