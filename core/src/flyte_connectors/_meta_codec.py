"""Resource-meta dataclasses to JSON and back, tolerant of other releases.

Metas of JSON's own types (nearly all) take a short path of the standard library. Others (nested
dataclasses, enums, datetimes, bytes) go through mashumaro, imported only then.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (float, int),
    bool: (bool,),
    dict: (dict,),
    list: (list,),
    type(None): (type(None),),
    Any: (object,),
}


_JSON_TYPES = (str, int, float, bool, dict, list, type(None))
_SCAN: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # not in typeshed
_ENCODER: Any = json.JSONEncoder(separators=(",", ":"))
_write: Any = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # what `_ENCODER.encode` makes for each call
    {}, _ENCODER.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


class _Plan(typing.NamedTuple):
    """How one class is written and read."""

    to_json: Callable[[Any], str | bytes]
    from_json: Callable[[bytes], Any]


def ensure_dataclass(cls: type) -> None:
    """Make a dataclass of a class that lists fields but lacks the decorator."""
    if "__dataclass_fields__" not in cls.__dict__:
        dataclasses.dataclass(cls)


def check(cls: type) -> None:
    """Raise TypeError if a field of `cls` has a type that JSON can't carry."""
    try:
        _plan(cls)
    except Exception as error:
        raise TypeError(f"{cls.__name__} can't be stored as resource meta: {error}") from error


def encode(meta: object) -> bytes:
    """The fields of `meta` as UTF-8 JSON."""
    text = _plan(type(meta)).to_json(meta)
    return text if isinstance(text, bytes) else text.encode()


def decode(cls: type[T], data: bytes) -> T:
    """Read `data` into `cls`, ignoring fields it does not have.

    Raises:
        ValueError: the bytes are not a JSON object of this class.
    """
    meta: T = _plan(cls).from_json(data)
    return meta


def _make_plan(cls: type) -> _Plan:
    ensure_dataclass(cls)
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(typing.cast("Any", cls))
    plain = {field.name: _plain_types(_hint(field, hints)) for field in fields if field.init}
    if all(plain.values()):
        return _plain_plan(cls, typing.cast("dict[str, tuple[type, ...]]", plain))
    return _mashumaro_plan(cls)


_plan: Callable[[type], _Plan] = functools.cache(_make_plan)


def _hint(field: dataclasses.Field[Any], hints: dict[str, Any]) -> Any:
    """The field's type, which takes None if that is its default, as people write it."""
    hint = hints[field.name]
    return typing.Optional[hint] if field.default is None else hint  # noqa: UP045  (a run-time value)


def _plain_types(hint: Any) -> tuple[type, ...] | None:
    """The Python types that JSON gives back for `hint`; None where it needs converting."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        variants = [_plain_types(argument) for argument in arguments]
        return tuple(t for types_ in variants if types_ for t in types_) if all(variants) else None
    if origin is list and _plain_types(arguments[0]):
        return (list,)
    if origin is dict and arguments[0] is str and _plain_types(arguments[1]):
        return (dict,)
    return None


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`."""
    try:
        text = data.decode()
        fields, end = _SCAN(text, 0)  # without the detours of `json.loads`
    except (ValueError, StopIteration) as error:
        raise ValueError("not JSON") from error
    if end != len(text):
        raise ValueError("not JSON")
    if type(fields) is not dict:
        raise ValueError(f"JSON {type(fields).__name__}, expected an object")
    return fields


def _plain_plan(cls: type, accepted: dict[str, tuple[type, ...]]) -> _Plan:
    usual = {(name, kind) for name, types_ in accepted.items() for kind in _JSON_TYPES if issubclass(kind, types_)}

    def check(fields: dict[str, Any], error: type[Exception]) -> None:
        for name, value in fields.items():
            if not isinstance(value, accepted[name]):
                raise error(f"field '{name}' holds a {type(value).__name__}")

    def to_json(meta: Any) -> str:
        fields = {name: getattr(meta, name) for name in accepted}
        if not usual.issuperset(zip(fields, map(type, fields.values()))):  # noqa: B905
            check(fields, TypeError)  # what could not be read back is not written
        return "".join(_write(fields, 0))

    def from_json(data: bytes) -> Any:
        fields = _object(data)
        if not usual.issuperset(zip(fields, map(type, fields.values()))):  # noqa: B905
            fields = {name: value for name, value in fields.items() if name in accepted}
            check(fields, ValueError)
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"not a {cls.__name__}: {error}") from error

    return _Plan(to_json, from_json)


def _mashumaro_plan(cls: type) -> _Plan:
    from mashumaro.codecs.basic import BasicDecoder  # heavy, and seldom needed
    from mashumaro.codecs.json import JSONEncoder
    from mashumaro.exceptions import InvalidFieldValue, MissingField

    decoder: BasicDecoder[Any] = BasicDecoder(cls)

    def from_json(data: bytes) -> Any:
        try:
            return decoder.decode(_object(data))
        except (InvalidFieldValue, MissingField) as error:
            raise ValueError(f"not a {cls.__name__}: {error}") from None

    return _Plan(JSONEncoder(cls).encode, from_json)
