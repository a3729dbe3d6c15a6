"""Plain forms of lists, maps, tuples and unions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import convert_at, mismatch, type_name
from flyte_connectors.types.form import Form, instance_of


def untyped_form(python_type: type) -> Form:
    """Return the plain form of a bare ``list`` or ``dict``: whatever msgpack knows."""
    check = instance_of(python_type)
    return Form(check, check)


def sequence_form(python_type: Any, container: Any, item: Form, accepts: Any = None) -> Form:
    """Return the plain form of a list, a set or a tuple of any length: a list.

    Args:
        python_type: The type as it was declared.
        container: What a value is made as.
        item: The form of its items.
        accepts: What a value may be; ``container`` if not given.
    """
    name = type_name(python_type)
    check_native, check_plain = instance_of(accepts or container, name), instance_of(list, name)
    return Form(
        lambda value: _each(item.dump, check_native(value)),
        lambda plain: container(_each(item.load, check_plain(plain))),
    )


def row_form(python_type: Any, make: Callable[[list[Any]], Any], items: list[tuple[str, Form]]) -> Form:
    """Return the plain form of a tuple with fixed items: a list."""
    name = type_name(python_type)
    check_native, check_plain = instance_of(tuple, name), instance_of((list, tuple), name)

    def check_length(values: Any) -> Any:
        if len(values) != len(items):
            raise ConversionError(f"expected {len(items)} items for {name}, got {len(values)}")
        return values

    def dump(value: Any) -> list[Any]:
        values = check_length(check_native(value))
        return [convert_at(form.dump, v, step) for (step, form), v in zip(items, values, strict=True)]

    def load(plain: Any) -> Any:
        values = check_length(check_plain(plain))
        return make([convert_at(form.load, v, step) for (step, form), v in zip(items, values, strict=True)])

    return Form(dump, load)


def map_form(python_type: Any, key: Form, item: Form) -> Form:
    """Return the plain form of a dict whose keys and values have types."""
    check = instance_of(Mapping, type_name(python_type))

    def convert(key_of: Callable[[Any], Any], item_of: Callable[[Any], Any], value: Any) -> Any:
        return {convert_at(key_of, k, f"[{k!r}]"): convert_at(item_of, v, f"[{k!r}]") for k, v in check(value).items()}

    return Form(
        lambda value: convert(key.dump, item.dump, value),
        lambda plain: convert(key.load, item.load, plain),
    )


def union_form(python_type: Any, variants: list[tuple[Any, Form]]) -> Form:
    """Return the plain form of a union: that of the exact type, else of the first that fits."""
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


def _each(convert: Callable[[Any], Any], values: Any) -> list[Any]:
    return [convert_at(convert, value, f"[{i}]") for i, value in enumerate(values)]
