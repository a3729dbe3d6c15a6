"""Plain forms: structured values as data that msgpack knows (dict, list, text, bytes, numbers, None).

Two spellings are on the wire, both the official SDK's:

    FIELDS   inside dataclasses: mashumaro's. Enums by value, bytes as bytes, durations in seconds.
    MODEL    inside tuples and named tuples: pydantic's JSON. Enums by name, bytes as text, durations in
             ISO 8601.
    TYPED    inside typed dicts: like MODEL; a key that may be missing and is, is written as None.
    NESTED   like MODEL, but enums by value: what stands inside a dataclass or tuple in one of these.

The walk over dataclasses and containers is done here because it has to check: mashumaro lets a wrong value
pass on the way out, and on the way in it bends values (``bool("no")``) and drops unknown fields. Whatever
is not in the tables below, and every dataclass that is customised for mashumaro, is left to mashumaro.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import os
import pathlib
import types
import typing
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from flyte_connectors.io import DataFrame
from flyte_connectors.types import hints, models
from flyte_connectors.types.codec import ConversionError, mismatch, type_name
from flyte_connectors.types.iso8601 import parse_duration, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Container

_CACHED_TYPES = 1024


class Spelling(enum.Enum):
    """Which of the spellings above is meant."""

    FIELDS = enum.auto()
    MODEL = enum.auto()
    TYPED = enum.auto()
    NESTED = enum.auto()


FIELDS, MODEL, TYPED, NESTED = Spelling
_ENUMS_BY_NAME = (MODEL, TYPED)


class Form(NamedTuple):
    """How one type becomes plain data (``dump``) and comes back (``load``). Both raise ConversionError."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def plain_form(python_type: Any, spelling: Spelling) -> Form:
    """Returns the plain form of a type, cached. Raises ConversionError where it has none."""
    try:
        return _cached(python_type, repr(python_type), spelling)
    except TypeError:  # not hashable
        return _build(python_type, spelling)


@lru_cache(maxsize=_CACHED_TYPES)
def _cached(python_type: Any, _spelling: str, spelling: Spelling) -> Form:
    return _build(python_type, spelling)


def _build(python_type: Any, spelling: Spelling) -> Form:
    origin, arguments = get_origin(python_type), get_args(python_type)
    if origin is Annotated:
        return plain_form(arguments[0], spelling)
    scalar = _scalar(python_type, spelling)
    if scalar is not None:
        return scalar
    if hints.is_model(python_type):
        return Form(*models.model_form(python_type))
    if python_type is Any or python_type is object:
        return Form(_same, _same)
    if origin is Union or origin is types.UnionType:
        # The official SDK looks for enums behind Optional[...], not behind ... | None.
        inner = NESTED if spelling in _ENUMS_BY_NAME and (origin is not Union or len(arguments) > 2) else spelling
        return _union(python_type, [(a, plain_form(a, inner)) for a in arguments])
    if origin is typing.Literal:
        return _choice(python_type, arguments)
    if isinstance(python_type, type) and issubclass(python_type, enum.Enum):
        return _enum(python_type, spelling)
    if python_type in _ANY_ITEMS:
        return _untyped(python_type)
    if origin in _SEQUENCES and (origin is not tuple or arguments[1:] == (...,)):
        inner = spelling if origin is list else _inside(spelling)
        return _sequence(python_type, origin, plain_form(arguments[0], inner))
    if origin is tuple:
        items = [(f"[{i}]", plain_form(a, _inside(spelling))) for i, a in enumerate(arguments)]
        return _row(python_type, tuple, items)
    if origin is dict:
        return _map(python_type, _key(arguments[0], spelling), plain_form(arguments[1], spelling))
    if hints.is_named_tuple(python_type):
        fields = hints.fields_of(python_type)
        row = [(f".{name}", plain_form(hint, _inside(spelling))) for name, hint in fields.items()]
        return _row(python_type, lambda values: python_type(*values), row)
    if hints.is_typed_dict(python_type):
        return _typed_dict(python_type, TYPED if spelling is TYPED else _inside(spelling))
    if dataclasses.is_dataclass(python_type) and not hints.is_customised(python_type):
        return _dataclass(python_type, _inside(spelling))
    return _by_mashumaro(python_type)


def _inside(spelling: Spelling) -> Spelling:
    return FIELDS if spelling is FIELDS else NESTED


def _same(value: Any) -> Any:
    return value


def _instance_of(python_type: type, name: str = "", but_not: tuple[type, ...] = ()) -> Callable[[Any], Any]:
    expected = name or python_type.__name__

    def check(value: Any) -> Any:
        if isinstance(value, python_type) and not isinstance(value, but_not):
            return value
        raise mismatch(expected, value)

    return check


_check_int = _instance_of(int, but_not=(bool,))
_check_str = _instance_of(str)
_check_bytes = _instance_of(bytes)


def _check_float(value: Any) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return value
    raise mismatch("float", value)


def _load_float(value: Any) -> float:
    return float(_check_float(value))


def _as_text(
    python_type: type, write: Callable[[Any], str], read: Callable[[str], Any], but_not: tuple[type, ...] = ()
) -> Form:
    check = _instance_of(python_type, but_not=but_not)

    def load(plain: Any) -> Any:
        try:
            return read(_check_str(plain))
        except (ArithmeticError, ValueError):
            raise mismatch(python_type.__name__, plain) from None

    return Form(lambda value: write(check(value)), load)


def _read_datetime(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _write_datetime_z(value: datetime.datetime) -> str:
    text = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _load_seconds(plain: Any) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=_check_float(plain))
    except (OverflowError, ValueError):
        raise mismatch("timedelta", plain) from None


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConversionError("bytes in a tuple or typed dict travel as text, and these are no UTF-8") from None


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
    bool: Form(_instance_of(bool), _instance_of(bool)),
    type(None): Form(_instance_of(type(None), "None"), _instance_of(type(None), "None")),
    datetime.date: _as_text(
        datetime.date, datetime.date.isoformat, datetime.date.fromisoformat, (datetime.datetime,)
    ),
    decimal.Decimal: _as_text(decimal.Decimal, str, decimal.Decimal),
    uuid.UUID: _as_text(uuid.UUID, str, uuid.UUID),
    pathlib.Path: _as_text(pathlib.Path, os.fspath, pathlib.Path),
    pathlib.PurePath: _as_text(pathlib.PurePath, os.fspath, pathlib.PurePath),
    DataFrame: Form(_dump_dataframe, _load_dataframe),
}
_IN_FIELDS: dict[Any, Form] = {
    bytes: Form(_check_bytes, _check_bytes),
    datetime.datetime: _as_text(datetime.datetime, datetime.datetime.isoformat, _read_datetime),
    datetime.timedelta: Form(
        lambda value: _instance_of(datetime.timedelta)(value).total_seconds(), _load_seconds
    ),
}
_IN_MODELS: dict[Any, Form] = {
    float: Form(_load_float, _load_float),
    bytes: _as_text(bytes, _utf8, str.encode),
    datetime.datetime: _as_text(datetime.datetime, _write_datetime_z, _read_datetime),
    datetime.timedelta: _as_text(datetime.timedelta, write_duration, parse_duration),
}
_SEQUENCES = (list, set, frozenset, tuple)
_ANY_ITEMS = (list, dict)


def _scalar(python_type: Any, spelling: Spelling) -> Form | None:
    special = _IN_FIELDS if spelling is FIELDS else _IN_MODELS
    try:
        return special.get(python_type) or _COMMON.get(python_type)
    except TypeError:  # not hashable
        return None


def _untyped(python_type: type) -> Form:
    check = _instance_of(python_type)
    return Form(check, check)


def _at(convert: Callable[[Any], Any], value: Any, step: str) -> Any:
    try:
        return convert(value)
    except ConversionError as error:
        raise error.within(step) from None


def _each(convert: Callable[[Any], Any], values: Any) -> list[Any]:
    return [_at(convert, value, f"[{i}]") for i, value in enumerate(values)]


def _sequence(python_type: Any, container: Any, item: Form) -> Form:
    name = type_name(python_type)
    check_native, check_plain = _instance_of(container, name), _instance_of(list, name)
    return Form(
        lambda value: _each(item.dump, check_native(value)),
        lambda plain: container(_each(item.load, check_plain(plain))),
    )


def _row(python_type: Any, make: Callable[[list[Any]], Any], items: list[tuple[str, Form]]) -> Form:
    name = type_name(python_type)
    check_native, check_plain = _instance_of(tuple, name), _instance_of((list, tuple), name)  # type: ignore[arg-type]

    def check_length(values: Any) -> Any:
        if len(values) != len(items):
            raise ConversionError(f"expected {len(items)} items for {name}, got {len(values)}")
        return values

    def dump(value: Any) -> list[Any]:
        values = check_length(check_native(value))
        return [_at(form.dump, v, step) for (step, form), v in zip(items, values)]

    def load(plain: Any) -> Any:
        values = check_length(check_plain(plain))
        return make([_at(form.load, v, step) for (step, form), v in zip(items, values)])

    return Form(dump, load)


def _map(python_type: Any, key: Form, item: Form) -> Form:
    check = _instance_of(dict, type_name(python_type))

    def convert(key_of: Callable[[Any], Any], item_of: Callable[[Any], Any], value: Any) -> Any:
        return {
            _at(key_of, k, f"[{k!r}]"): _at(item_of, v, f"[{k!r}]") for k, v in check(value).items()
        }

    return Form(
        lambda value: convert(key.dump, item.dump, value),
        lambda plain: convert(key.load, item.load, plain),
    )


def _key(python_type: Any, spelling: Spelling) -> Form:
    if spelling is FIELDS or python_type is not int:
        return plain_form(python_type, spelling)
    return _as_text(int, str, int, (bool,))  # keys are text in JSON


def _union(python_type: Any, variants: list[tuple[Any, Form]]) -> Form:
    name = type_name(python_type)

    def first(direction: str, value: Any) -> Any:
        exact = [form for variant, form in variants if variant is type(value)]
        inner: ConversionError | None = None
        for form in exact or [form for _, form in variants]:
            try:
                return getattr(form, direction)(value)
            except ConversionError as error:
                inner = inner or (error if error.path else None)
        raise inner or mismatch(name, value)

    return Form(lambda value: first("dump", value), lambda plain: first("load", plain))


def _choice(python_type: Any, choices: tuple[Any, ...]) -> Form:
    def check(value: Any) -> Any:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        raise mismatch(f"one of {', '.join(map(repr, choices))}", value)

    if any(isinstance(choice, enum.Enum) for choice in choices):
        return _by_mashumaro(python_type)
    return Form(check, check)


def _enum(python_type: type[enum.Enum], spelling: Spelling) -> Form:
    check = _instance_of(python_type)
    names = ", ".join(python_type.__members__)
    by_names = spelling in _ENUMS_BY_NAME

    def load(plain: Any) -> Any:
        if by_names and isinstance(plain, str) and plain in python_type.__members__:
            return python_type[plain]
        try:
            return python_type(plain)
        except ValueError:
            raise mismatch(f"{python_type.__name__} (one of {names})", plain) from None

    def by_name(value: Any) -> Any:
        return check(value).name

    def by_value(value: Any) -> Any:
        return check(value).value

    return Form(by_name if by_names else by_value, load)


def _dataclass(python_type: Any, spelling: Spelling) -> Form:
    check = _instance_of(python_type)
    required = {
        field.name
        for field in dataclasses.fields(python_type)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    @lru_cache(maxsize=1)
    def forms() -> dict[str, Form]:  # on first use, so that a dataclass may hold itself
        resolved = hints.fields_of(python_type)
        return {f.name: plain_form(resolved[f.name], spelling) for f in dataclasses.fields(python_type)}

    def dump(value: Any) -> dict[str, Any]:
        check(value)
        return {
            name: _at(form.dump, getattr(value, name), f".{name}") for name, form in forms().items()
        }

    def load(plain: Any) -> Any:
        values = load_fields(python_type.__name__, forms(), required, plain)
        later = {f.name: values.pop(f.name) for f in dataclasses.fields(python_type) if not f.init and f.name in values}
        try:
            loaded = python_type(**values)
        except (TypeError, ValueError) as error:  # its own __post_init__ has a say
            raise ConversionError(f"{python_type.__name__} refuses the value: {error}") from None
        for name, value in later.items():
            object.__setattr__(loaded, name, value)
        return loaded

    return Form(dump, load)


def load_fields(name: str, forms: dict[str, Form], required: Container[str], plain: Any) -> dict[str, Any]:
    """Loads the entries of a dict, each by its form, and refuses missing and unknown ones."""
    if not isinstance(plain, dict):
        raise mismatch(name, plain)
    for key in plain:
        if key not in forms:
            raise ConversionError(f"{name} has no field {key!r}; it has {', '.join(forms) or 'none'}")
    for key in forms:
        if key in required and key not in plain:
            raise ConversionError(f"the field {key!r} of {name} is missing")
    return {key: _at(forms[key].load, value, f".{key}") for key, value in plain.items()}


def _typed_dict(python_type: Any, spelling: Spelling) -> Form:
    required = hints.required_keys(python_type)
    missing = hints.optional_keys(python_type) if spelling is TYPED else ()

    @lru_cache(maxsize=1)
    def forms() -> dict[str, Form]:
        return {
            name: plain_form(hint, spelling) for name, hint in hints.fields_of(python_type).items()
        }

    def dump(value: Any) -> dict[str, Any]:
        dumps = {name: Form(form.dump, form.dump) for name, form in forms().items()}
        dumped = load_fields(python_type.__name__, dumps, required, value)
        return {name: dumped.get(name) for name in forms() if name in dumped or name in missing}

    def load(plain: Any) -> dict[str, Any]:
        if isinstance(plain, dict):
            plain = {k: v for k, v in plain.items() if v is not None or k not in missing}
        return load_fields(python_type.__name__, forms(), required, plain)

    return Form(dump, load)


def _by_mashumaro(python_type: Any) -> Form:
    from mashumaro.codecs.msgpack import MessagePackDecoder, MessagePackEncoder

    name = type_name(python_type)
    try:
        encode = MessagePackEncoder(python_type, post_encoder_func=None).encode
        decode = MessagePackDecoder(python_type, pre_decoder_func=None).decode
    except Exception as error:
        raise ConversionError(f"{name} has no plain form: {hints.one_line(error)}") from None

    def guarded(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(value: Any) -> Any:
            try:
                return convert(value)
            except Exception as error:
                raise ConversionError(f"expected {name}: {hints.one_line(error)}") from None

        return run

    return Form(guarded(encode), guarded(decode))
