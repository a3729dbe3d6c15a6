"""What an operator sets: dataclasses whose fields are keys of a TOML table and environment variables.

    @dataclasses.dataclass(frozen=True)
    class AcmeSettings(PluginSettings, prefix="ACME_"):
        region: str = setting("eu", "region of new jobs", choices=("eu", "us"))
        jobs: int = setting(4, "jobs that run at once", minimum=1)

The entry point `acme = "acme_connector.settings:AcmeSettings"` of the group `flyte.connectors.settings`
makes this the table `[plugins.acme]` of the service's TOML file. Where the plugin needs the values,
`AcmeSettings.read()` has those in force: a variable (`ACME_REGION`) wins over the file, the file over
the default. The service checks all of them when it starts.

A field is a bool, int, float, str, a tuple of these, a dict of strings, one of these or None, or a
`table`: another dataclass, which is a table within the table (`ACME_POOL_SIZE` for `pool.size`). Keep the
module light: it is imported whether or not the plugin is used. Settings are printed and shown, so they
name secrets, and hold none.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from flyte_connectors.errors import ServiceUnavailableError, SettingsError

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T", bound="PluginSettings")

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def setting(  # noqa: PLR0913  (what the table, the variables and the documentation need to know)
    default: Any,
    help: str,  # noqa: A002  (argparse's name)
    parse: Callable[[str], Any] | None = None,
    *,
    many: bool = False,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    variable: str = "",
    default_text: str = "",
    metavar: str | None = None,
    option: str = "",
) -> Any:
    """A field of a settings dataclass.

    Args:
        default: Its value where nothing is set.
        help: What it means, in one line; the documentation of the field.
        parse: Makes a value, or an item of a list, of text; raises ValueError, or SettingsError with what
            would be right. What it returns has to print as such a text. By default this follows from the
            field's type.
        many: Whether it is a list; by default this follows from the field's type.
        choices: The only values, or items of a list.
        minimum: The least number.
        variable: Name of its environment variable, where that is not the prefix and the field's name.
        default_text: The default in the documentation, where it is found out when it is needed.
        metavar: Name of the value in the help of a flag.
        option: The flag of `serve` that sets it, such as `--acme-region`; it must not be one of the core's.
    """
    metadata = {
        "help": help, "parse": parse, "many": many, "choices": choices, "minimum": minimum,
        "variable": variable, "default_text": default_text, "metavar": metavar, "option": option,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def table(settings: type) -> Any:
    """A field that is a table within the table: `settings` is a dataclass of `setting` fields."""
    return dataclasses.field(default_factory=settings)


class Declared(typing.NamedTuple):
    """One setting of a plugin.

    Args:
        path: Names of its fields, outermost first.
        variable: Its environment variable.
        default: Its value where nothing is set.
        metadata: What `setting` was given, with `parse` and `many` filled in.
    """

    path: tuple[str, ...]
    variable: str
    default: Any
    metadata: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its key in the plugin's table, dotted."""
        return ".".join(name.replace("_", "-") for name in self.path)


class PluginSettings:
    """Base of the settings of a plugin.

    Args:
        prefix: What the names of its environment variables begin with, such as `ACME_`.
    """

    variable_prefix: ClassVar[str]

    def __init_subclass__(cls, *, prefix: str) -> None:
        cls.variable_prefix = prefix

    @classmethod
    def read(cls) -> Self:
        """The settings in force.

        Raises:
            ServiceUnavailableError: one is invalid; the text names its variable. Nothing was started.
        """
        try:
            return from_texts(cls, os.environ)
        except SettingsError as error:
            raise ServiceUnavailableError(error.message, outcome_unknown=False) from None


def declared(settings: Any) -> tuple[Declared, ...]:
    """The settings of a class, those of its inner tables included."""
    return _all_declared(settings)


def from_texts(settings: type[T], texts: Mapping[str, str]) -> T:
    """The settings that environment variables give.

    Raises:
        SettingsError: one is invalid; the error names its variable.
    """
    values = tuple(texts.get(one.variable) for one in declared(settings))
    return typing.cast("T", _parsed(typing.cast("Any", settings), values))


def parse_value(metadata: Mapping[str, Any], value: Any, source: str) -> Any:
    """The value of a setting, from text or from what TOML gives.

    Raises:
        SettingsError: the value is invalid; `source` is named as its place.
    """
    parse, choices = metadata["parse"] or str, metadata["choices"]

    def one(item: Any) -> Any:
        parsed = parse(item if parse is _mapping else _text(item))
        if choices and parsed not in choices:
            raise SettingsError(f"invalid value {item!r}: choose from {', '.join(choices)}")
        if metadata["minimum"] is not None and parsed < metadata["minimum"]:
            raise SettingsError(f"invalid value {item!r}: must be at least {metadata['minimum']:g}")
        return parsed

    try:
        if not metadata["many"]:
            return one(value)
        return tuple(one(text) for item in _items(value) if (text := _text(item).strip()))
    except SettingsError as error:
        raise SettingsError(error.message, field=source) from None
    except (ValueError, TypeError):
        message = f"invalid value {value!r} ({metadata['help']})"
        raise SettingsError(message, field=source) from None


def as_text(value: Any) -> str:
    """What TOML gives, as an environment variable has it; `parse_value` reads both alike."""
    if isinstance(value, list) and not any({",", "["} & {*str(item)} for item in value):
        return ",".join(map(as_text, value))
    if isinstance(value, (list, dict)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(k)} = {as_toml(v)}" for k, v in value.items()) + "}"
    # Otherwise as JSON does, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")


def flag(text: str) -> bool:
    """A yes or no; as `setting(parse=flag)`, and for fields of type bool.

    Raises:
        SettingsError: it is neither.
    """
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise SettingsError(f"invalid value {text!r}: set it to true or false")
    return word in _TRUE


def finite(text: str) -> float:
    """A number that is not infinite; as `setting(parse=finite)`, and for fields of type float.

    Raises:
        ValueError: it is none.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _mapping(value: Any) -> dict[str, str]:
    parsed = json.loads(value) if isinstance(value, str) else value
    if not isinstance(parsed, dict):
        raise TypeError(value)
    return {name: _text(item) for name, item in parsed.items()}


def _items(value: Any) -> list[Any]:
    if not isinstance(value, str):
        return list(value)
    if value.startswith("["):
        try:
            parsed = json.loads(value)
        except ValueError:  # such as the address [::1]
            parsed = None
        if isinstance(parsed, list):
            return parsed
    return value.split(",")


def _text(value: Any) -> str:
    """A single value of TOML as text."""
    if isinstance(value, (list, dict)):
        raise TypeError(value)
    return str(value)


_PARSERS: dict[Any, Callable[[Any], Any]] = {bool: flag, int: int, float: finite, str: str}


@functools.cache
def _all_declared(settings: type) -> tuple[Declared, ...]:
    return tuple(_declared(settings, (), getattr(settings, "variable_prefix", "")))


def _declared(settings: type, path: tuple[str, ...], prefix: str) -> Iterator[Declared]:
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        here = (*path, field.name)
        variable = prefix + field.name.upper()
        if "help" not in field.metadata:
            yield from _declared(hints[field.name], here, f"{variable}_")
            continue
        parse, many = _parser_of(hints[field.name])
        metadata = dict(field.metadata)
        metadata["parse"] = metadata["parse"] or parse
        metadata["many"] = metadata["many"] or many
        yield Declared(here, metadata["variable"] or variable, field.default, metadata)


def _parser_of(hint: Any) -> tuple[Callable[[Any], Any], bool]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _parser_of(next(one for one in inner if one is not type(None)))
    if origin is tuple:
        return _PARSERS[inner[0]], True
    if origin is not None and issubclass(origin, Mapping):
        return _mapping, False
    return _PARSERS.get(hint, str), False


@functools.lru_cache(maxsize=64)
def _parsed(settings: type, texts: tuple[str | None, ...]) -> Any:
    values = {
        one.path: parse_value(one.metadata, text, one.variable)
        for one, text in zip(declared(settings), texts, strict=True)
        if text is not None and (text.strip() or one.metadata["many"])
    }
    return _built(settings, (), values)


def _built(settings: type, path: tuple[str, ...], values: Mapping[tuple[str, ...], Any]) -> Any:
    given = {}
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        here = (*path, field.name)
        if "help" not in field.metadata:
            given[field.name] = _built(hints[field.name], here, values)
        elif here in values:
            given[field.name] = values[here]
    return settings(**given)
