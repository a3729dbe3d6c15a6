"""Values on the command line: parse a task's inputs, print its outputs."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from flyte_connectors.errors import ConversionError, InvalidRequestError
from flyte_connectors.types import codec
from flyte_connectors.types.codec import short
from flyte_connectors.types.hints import is_subclass, is_union

_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


def parse_value(name: str, python_type: Any, text: str) -> Any:
    """The value of an input of `python_type` that `text` means.

    Text is taken as it is, as are paths, dates and the names of choices; numbers as Python reads
    them; values of several parts as JSON.

    Raises:
        InvalidRequestError: `text` means no such value; names the part that is wrong.
    """
    try:
        return _parse(python_type, text)
    except ConversionError as error:
        raise InvalidRequestError(error.reason, field=f"inputs.{name}{error.path}") from None


def type_name(python_type: Any) -> str:
    """A type as help texts show it: choices by their names."""
    if get_origin(python_type) is Annotated:
        return type_name(get_args(python_type)[0])
    if is_union(python_type):
        return " or ".join(type_name(variant) for variant in get_args(python_type))
    if _is_enum(python_type):
        return "|".join(python_type.__members__)
    if get_origin(python_type) is Literal:
        return "|".join(_choices(python_type))
    return codec.type_name(python_type)


def printable(value: Any) -> Any:  # noqa: PLR0911  (one line per kind of value)
    """A value as JSON can show it."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: printable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):  # pydantic's
        return printable(dump())
    if isinstance(value, Mapping):
        return {str(key): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _parse(python_type: Any, text: str) -> Any:
    if get_origin(python_type) is Annotated:
        return _parse(get_args(python_type)[0], text)
    if is_union(python_type):
        return _parse_union(python_type, text)
    if choices := _choices(python_type):
        if text not in choices:
            one_of = f"one of {type_name(python_type).replace('|', ', ')}"
            is_enum = _is_enum(python_type)
            raise _expected(f"{python_type.__name__} ({one_of})" if is_enum else one_of, text)
        return choices[text]
    parser = _PARSERS.get(python_type) if isinstance(python_type, type) else None
    if parser is not None:
        try:
            return parser(text)
        except (ArithmeticError, ValueError):
            raise _expected(type_name(python_type), text) from None
    return _parse_json(python_type, text)


def _parse_union(python_type: Any, text: str) -> Any:
    """Whatever fits first; text fits always, so it comes last."""
    deepest = _expected(type_name(python_type), text)
    for variant in sorted(get_args(python_type), key=lambda variant: variant is str):
        try:
            return _parse(variant, text)
        except ConversionError as error:
            deepest = error if error.path else deepest
    raise deepest


def _parse_json(python_type: Any, text: str) -> Any:
    """A value of several parts as JSON, or one of a single part, such as a date, as its text."""
    from flyte_connectors.types.form import HANDWRITTEN  # most inputs are of one part
    from flyte_connectors.types.plain import plain_form
    from flyte_connectors.types.plain.scalars import scalar_form

    form = plain_form(python_type, HANDWRITTEN)
    try:
        return form.load(text)
    except ConversionError:
        if scalar_form(python_type, HANDWRITTEN) is not None:
            raise _expected(type_name(python_type), text) from None
    try:
        plain = json.loads(text)
    except ValueError as error:
        wanted = f"{type_name(python_type)} as JSON"
        raise ConversionError(f"expected {wanted}, got {short(text)}: {error}") from None
    except RecursionError:
        raise ConversionError("the value is nested too deep") from None
    return form.load(plain)


def _choices(python_type: Any) -> dict[str, Any]:
    """The values that a type consists of, each by every text that means it; empty for other types."""
    if get_origin(python_type) is Literal:
        return {_text_of(choice): choice for choice in get_args(python_type)}
    if _is_enum(python_type):
        by_value = {_text_of(member.value): member for member in python_type}
        return {**by_value, **python_type.__members__}
    return {}


def _is_enum(python_type: Any) -> bool:
    return is_subclass(python_type, enum.Enum)


def _text_of(choice: Any) -> str:
    return str(choice.name if isinstance(choice, enum.Enum) else choice)


def _expected(what: str, text: str) -> ConversionError:
    return ConversionError(f"expected {what}, got {short(text)}")


def _bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _none(text: str) -> None:
    if text.lower() not in ("", "none", "null"):
        raise ValueError(text)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: _bool,
    bytes: str.encode,
    type(None): _none,
    datetime.time: datetime.time.fromisoformat,
}
"""How a type is read whose text means something else than JSON, or nothing, in JSON."""
