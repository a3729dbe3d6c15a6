"""A task's configuration in `flyteidl2.core.TaskTemplate.custom`.

The configuration is a dataclass, which may hold others. Only what differs from the defaults travels, so
that an older service can still read what a newer task does not use.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import TYPE_CHECKING, Any, TypeVar

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

T = TypeVar("T")

_READ_BY_THE_CORE = ("secrets", "configs")  # names by keyword argument


def write_custom(config: Any) -> dict[str, Any]:
    """The fields of `config`, a dataclass, that differ from their defaults, as JSON.

    Raises:
        InvalidRequestError: a value is not of its field's type; the error names the field.
    """
    from flyte_connectors.types import ConversionError
    from flyte_connectors.types.form import FIELDS
    from flyte_connectors.types.plain import plain_form

    try:
        plain = plain_form(type(config), FIELDS).dump(config)
    except ConversionError as error:
        raise _invalid(error) from None
    return _without_defaults(config, plain)


def read_custom(config_type: type[T], custom: Struct) -> T:
    """The configuration in a task's `custom`, written by `write_custom` or by hand.

    Args:
        config_type: A dataclass. Values are checked against the types of its fields; its
            `__post_init__` may check more, and raise InvalidRequestError itself.
        custom: `TaskTemplate.custom`; its `secrets` and `configs` are the core's, and left out.

    Raises:
        InvalidRequestError: a field is missing, unknown or of another type; the error names it.
    """
    from google.protobuf import json_format

    from flyte_connectors.types import ConversionError
    from flyte_connectors.types.form import FIELDS
    from flyte_connectors.types.plain import plain_form
    from flyte_connectors.types.structs import whole_numbers

    try:
        plain = whole_numbers(json_format.MessageToDict(custom))
    except ValueError as error:  # a Struct can hold NaN and infinity, and JSON can't
        raise InvalidRequestError(f"not a JSON object: {error}", field="custom") from None
    for name in _READ_BY_THE_CORE:
        plain.pop(name, None)
    _check_names(config_type, plain, "custom")
    try:
        config: T = plain_form(config_type, FIELDS).load(plain)
    except ConversionError as error:
        raise _invalid(error) from None
    return config


_hints_of = functools.lru_cache(maxsize=256)(typing.get_type_hints)


def _check_names(config_type: type, plain: dict[str, Any], path: str) -> None:
    """Refuse unknown and missing fields by their own names, at any depth."""
    hints = _hints_of(config_type)
    fields = {field.name: field for field in dataclasses.fields(config_type) if field.init}
    for name in plain:
        if name not in fields:
            message = f"unknown field; available: {', '.join(fields)}"
            raise InvalidRequestError(message, field=f"{path}.{name}")
    for name, field in fields.items():
        if name not in plain:
            if _default(field) is dataclasses.MISSING:
                raise InvalidRequestError("missing", field=f"{path}.{name}")
            continue
        for hint in (hints[name], *typing.get_args(hints[name])):
            if dataclasses.is_dataclass(hint) and isinstance(plain[name], dict):
                _check_names(typing.cast("type", hint), plain[name], f"{path}.{name}")


def _invalid(error: Any) -> InvalidRequestError:
    return InvalidRequestError(error.reason, field=f"custom{error.path}")


def _without_defaults(config: Any, plain: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != _default(field):
            inner = plain[field.name]
            nested = dataclasses.is_dataclass(value) and isinstance(inner, dict)
            kept[field.name] = _without_defaults(value, inner) if nested else inner
    return kept


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
