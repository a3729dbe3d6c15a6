"""The JSON schema by which tuples, named tuples and typed dicts are declared.

The official SDK makes a pydantic model for each and declares that. Where pydantic is installed, it is
asked for the same schema; elsewhere mashumaro describes the same fields, and the service side reads both
(`from_schema`).
"""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from collections.abc import Container
from functools import lru_cache
from typing import Any, Union, get_args, get_origin

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints, models
from flyte_connectors.types.from_schema import TYPED_DICT_TITLE
from flyte_connectors.types.struct_schemas import dataclass_schema

Schema = dict[str, Any]


def record_schema(title: str, fields: dict[str, Any], optional: Container[str] = (), *, typed: bool = False) -> Schema:
    """Return the schema of a model with these fields.

    Args:
        title: Name of the model.
        fields: Type of each field.
        optional: The fields that default to None.
        typed: Whether typed dicts inside are models, too, as they are inside typed dicts.

    Raises:
        ConversionError: a field's type can't be described.
    """
    if _has_pydantic():
        return _by_pydantic(title, fields, optional, typed=typed)
    return _by_mashumaro(title, fields, optional)


@lru_cache(maxsize=1)
def _has_pydantic() -> bool:
    return importlib.util.find_spec("pydantic") is not None


def _by_pydantic(title: str, fields: dict[str, Any], optional: Container[str], *, typed: bool) -> Schema:
    from pydantic import PydanticUserError

    try:
        return models.model_schema(_model(title, fields, optional, typed=typed))
    except PydanticUserError as error:
        raise _unsupported(error) from None


def _model(title: str, fields: dict[str, Any], optional: Container[str], *, typed: bool) -> Any:
    from pydantic import create_model

    types = {name: _with_models(hint) if typed else hint for name, hint in fields.items()}
    definitions: Any = {name: (hint, None) if name in optional else (hint, ...) for name, hint in types.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field may be called `json`
        return create_model(title, **definitions)


def _with_models(hint: Any) -> Any:
    """`hint` with each typed dict in it as the model that the official SDK makes of it."""
    if hints.is_typed_dict(hint):
        return _typed_dict_model(hint)
    arguments = get_args(hint)
    if not arguments or not any(map(_holds_typed_dict, arguments)):
        return hint
    inner = tuple(map(_with_models, arguments))
    return Union[inner] if hints.is_union(hint) else get_origin(hint)[inner]  # noqa: UP007


def _holds_typed_dict(hint: Any) -> bool:
    return hints.is_typed_dict(hint) or any(map(_holds_typed_dict, get_args(hint)))


@lru_cache(maxsize=256)
def _typed_dict_model(python_type: Any) -> Any:
    fields, optional = typed_dict_fields(python_type)
    return _model(TYPED_DICT_TITLE + python_type.__name__, fields, optional, typed=True)


def typed_dict_fields(python_type: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the type of each key, and the keys that may be missing, which may be None, too."""
    optional = hints.optional_keys(python_type)
    fields = {
        name: Union[hint, None] if name in optional else hint  # noqa: UP007
        for name, hint in hints.fields_of(python_type).items()
    }
    return fields, optional


def _by_mashumaro(title: str, fields: dict[str, Any], optional: Container[str]) -> Schema:
    required = [(name, hint) for name, hint in fields.items() if name not in optional]
    others = [(name, hint, dataclasses.field(default=None)) for name, hint in fields.items() if name in optional]
    schema = dataclass_schema(dataclasses.make_dataclass(title, [*required, *others]))
    if schema is None:
        raise _unsupported(f"no JSON schema for {', '.join(fields)}")
    return schema


def _unsupported(reason: object) -> ConversionError:
    text = " ".join(str(reason).split())
    return ConversionError(f"can't stand in a tuple or typed dict: use a dataclass ({text})")
