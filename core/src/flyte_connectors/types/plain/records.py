"""Plain forms of what has named fields: dataclasses and typed dicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Any

from flyte_connectors.errors import ConversionError
from flyte_connectors.types import hints
from flyte_connectors.types.codec import convert_at, mismatch
from flyte_connectors.types.form import Form, instance_of

FormOf = Callable[[Any], Form]

OMIT_NONE = "flyte_connectors.omit_none"
"""Metadata key of fields that are not written while they are None."""


def dataclass_form(python_type: Any, form_of: FormOf) -> Form:
    """Return the plain form of a dataclass; it may hold itself, so fields are looked up late."""
    name, check = python_type.__name__, instance_of(python_type)
    fields = dataclasses.fields(python_type)
    required = {field.name for field in fields if not has_default(field)}
    set_later = {field.name for field in fields if not field.init}
    omitted = {field.name for field in fields if OMIT_NONE in field.metadata}
    forms = _forms(python_type, [field.name for field in fields], form_of)

    def dump(value: Any) -> dict[str, Any]:
        check(value)
        return {
            field: convert_at(form.dump, getattr(value, field), f".{field}")
            for field, form in forms().items()
            if field not in omitted or getattr(value, field) is not None
        }

    def load(plain: Any) -> Any:
        values = load_fields(name, forms(), required, plain)
        computed = {field: values.pop(field) for field in set_later & values.keys()}
        try:
            loaded = python_type(**values)
        except (TypeError, ValueError) as error:  # its own __post_init__ has a say
            raise ConversionError(f"{name} refuses it: {hints.one_line(error)}") from None
        for field, value in computed.items():
            object.__setattr__(loaded, field, value)
        return loaded

    return Form(dump, load)


def typed_dict_form(python_type: Any, form_of: FormOf, *, write_missing: bool) -> Form:
    """Return the plain form of a typed dict.

    Args:
        python_type: The typed dict.
        form_of: Finds the form of a field's type.
        write_missing: Whether a ``NotRequired`` key that is missing is written as None (and read
            back as missing).
    """
    name, required = python_type.__name__, hints.required_keys(python_type)
    blank = hints.optional_keys(python_type) if write_missing else set()
    forms = _forms(python_type, list(hints.fields_of(python_type)), form_of)

    def dump(value: Any) -> dict[str, Any]:
        dumps = {field: Form(form.dump, form.dump) for field, form in forms().items()}
        dumped = load_fields(name, dumps, required, value)
        return {field: dumped.get(field) for field in dumps if field in dumped or field in blank}

    def load(plain: Any) -> dict[str, Any]:
        if isinstance(plain, dict):
            plain = {k: v for k, v in plain.items() if v is not None or k not in blank}
        return load_fields(name, forms(), required, plain)

    return Form(dump, load)


def load_fields(name: str, forms: dict[str, Form], required: Container[str], plain: Any) -> dict[str, Any]:
    """Load the entries of a dict, each by its form, and refuses missing and unknown ones."""
    if not isinstance(plain, dict):
        raise mismatch(name, plain)
    for key in plain:
        if key not in forms:
            raise ConversionError(f"{name} has no field {key!r}; it has {', '.join(forms) or 'none'}")
    for key in forms:
        if key in required and key not in plain:
            raise ConversionError(f"the field {key!r} of {name} is missing")
    return {key: convert_at(forms[key].load, value, f".{key}") for key, value in plain.items()}


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Return whether a dataclass can be made without this field."""
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _forms(python_type: Any, names: list[str], form_of: FormOf) -> Callable[[], dict[str, Form]]:
    @lru_cache(maxsize=1)
    def forms() -> dict[str, Form]:
        resolved = hints.fields_of(python_type)
        return {name: form_of(resolved[name]) for name in names}

    return forms
