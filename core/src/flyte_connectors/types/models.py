"""Codec of pydantic models: as msgpack, with the model's JSON schema in the type; enums go by name.

Validation is pydantic's, under the model's own rules. Pydantic is imported only when a model is at
hand.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_args, get_origin

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints
from flyte_connectors.types.codec import mismatch
from flyte_connectors.types.form import Form
from flyte_connectors.types.struct_schemas import MARKED as REFERENCE_SCHEMAS

MODEL_TAG = "Pydantic Transformer"


def model_schema(python_type: Any) -> dict[str, Any]:
    """Return a model's JSON schema, in which enums list the names of their members."""
    schema: dict[str, Any] = python_type.model_json_schema(schema_generator=_generator())
    return schema


def model_form(python_type: Any) -> Form:
    """Return the plain form of a model; ``dump`` also takes a dict that the model accepts."""

    def dump(value: Any) -> Any:
        if isinstance(value, dict):
            value = load(value)
        elif not isinstance(value, python_type):
            raise mismatch(python_type.__name__, value)
        try:
            # Not the JSON text of the official SDK, in which NaN becomes null.
            plain = value.model_dump(mode="json", warnings="error")
        except ValueError as error:
            raise ConversionError(f"{python_type.__name__} can't be written: {hints.one_line(error)}") from None
        return _walk(plain, type(value), _name_of)

    def load(plain: Any) -> Any:
        from pydantic import ValidationError

        try:
            return python_type.model_validate(_walk(plain, python_type, _member_of), context={"deserialize": True})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
            raise ConversionError(first["msg"], path) from None

    return Form(dump, load)


@lru_cache(maxsize=1)
def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    class OfficialSchema(GenerateJsonSchema):
        """Enums list the names of their members; references are described as the official SDK's are."""

        def dataclass_schema(self, schema: Any) -> Any:
            return REFERENCE_SCHEMAS.get(schema["cls"]) or super().dataclass_schema(schema)

        def enum_schema(self, schema: Any) -> Any:
            result = super().enum_schema(schema)
            if "enum" in result:
                result["enum"] = [member.name for member in schema["cls"]]
            return result

    return OfficialSchema


def _walk(plain: Any, hint: Any, convert: Callable[[Any, type[enum.Enum]], Any]) -> Any:
    """Convert the enums in plain data, where the official SDK does.

    That is behind ``Optional``, ``list``, ``dict`` and models, and nowhere else.
    """
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    if get_origin(hint) is typing.Union and len(arguments) == 1:
        return _walk(plain, arguments[0], convert)
    if hints.is_subclass(hint, enum.Enum):
        return convert(plain, hint)
    if hints.is_model(hint) and isinstance(plain, dict):
        fields = typing.get_type_hints(hint)
        return {key: _walk(value, fields.get(key), convert) for key, value in plain.items()}
    if get_origin(hint) is list and isinstance(plain, list):
        return [_walk(value, arguments[0], convert) for value in plain]
    if get_origin(hint) is dict and isinstance(plain, dict):
        key_hint, value_hint = get_args(hint)
        return {_walk(key, key_hint, convert): _walk(value, value_hint, convert) for key, value in plain.items()}
    return plain


def _name_of(value: Any, python_type: type[enum.Enum]) -> Any:
    try:
        return python_type(value).name
    except ValueError:
        return value


def _member_of(value: Any, python_type: type[enum.Enum]) -> Any:
    return python_type.__members__.get(value, value) if isinstance(value, str) else value
