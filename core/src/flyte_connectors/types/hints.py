"""Questions about Python types: what kind of class is this, and of which types are its fields."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from typing import Any, Union, get_args, get_origin

from flyte_connectors.errors import ConversionError

_FIELD_OPTIONS = {"alias", "deserialize", "serialization_strategy", "serialize"}
_OPTIONALITY = ("Required", "NotRequired", "ReadOnly")


def is_subclass(python_type: Any, parents: type | tuple[type, ...]) -> bool:
    """Return whether this is a class, and a subclass of one of `parents`.

    On Python 3.10, `list[int]` is an instance of `type` that `issubclass` does not take.
    """
    is_class = isinstance(python_type, type) and get_origin(python_type) is None
    return is_class and issubclass(python_type, parents)


def is_named_tuple(python_type: Any) -> bool:
    """Return whether this is a named tuple class."""
    return is_subclass(python_type, tuple) and hasattr(python_type, "_fields")


def is_typed_dict(python_type: Any) -> bool:
    """Return whether this is a typed dict class."""
    # Not typing.is_typeddict: before Python 3.12 it does not know those of typing_extensions.
    return is_subclass(python_type, dict) and hasattr(python_type, "__total__")


def is_union(python_type: Any) -> bool:
    """Return whether this is ``Union[...]``, ``Optional[...]`` or ``A | B``."""
    return get_origin(python_type) in {Union, types.UnionType}


def is_model(python_type: Any) -> bool:
    """Return whether this is a pydantic model, without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and is_subclass(python_type, pydantic.BaseModel)


def is_customised(python_type: Any) -> bool:
    """Return whether a dataclass instructs mashumaro (by a mixin, ``Config`` or field options)."""
    return any(hasattr(python_type, name) for name in ("to_dict", "from_dict", "Config")) or any(
        not _FIELD_OPTIONS.isdisjoint(field.metadata) for field in dataclasses.fields(python_type)
    )


def fields_of(python_type: Any) -> dict[str, Any]:
    """Return the resolved field types of a dataclass, named tuple or typed dict, in order.

    Raises:
        ConversionError: A type in it is only named, and nothing of that name is in reach.
    """
    try:
        resolved = typing.get_type_hints(python_type, include_extras=True)
    except NameError as error:
        raise ConversionError(f"{python_type.__name__} names a type that its module does not define: {error}") from None
    return {name: _bare(hint) for name, hint in resolved.items() if get_origin(hint) is not typing.ClassVar}


def required_keys(python_type: Any) -> set[str]:
    """Return the keys that a typed dict must have.

    ``__required_keys__`` alone is wrong under ``from __future__ import annotations``, where the
    markers are text.
    """
    resolved = typing.get_type_hints(python_type, include_extras=True)
    marked = {name: _markers(hint) for name, hint in resolved.items()}
    return {
        name
        for name, markers in marked.items()
        if "NotRequired" not in markers and (name in python_type.__required_keys__ or "Required" in markers)
    }


def optional_keys(python_type: Any) -> set[str]:
    """Return the keys of a typed dict that are marked ``NotRequired``."""
    resolved = typing.get_type_hints(python_type, include_extras=True)
    return {name for name, hint in resolved.items() if "NotRequired" in _markers(hint)}


def one_line(error: BaseException) -> str:
    """Return an exception's text without line breaks, or its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _markers(hint: Any) -> list[str]:
    name = getattr(get_origin(hint), "_name", None)
    return [name, *_markers(get_args(hint)[0])] if name in _OPTIONALITY else []


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if _markers(hint) else hint
