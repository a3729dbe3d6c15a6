"""Options that can also be set by environment variable, all named `FLYTE_CONNECTORS_<OPTION>`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import Any

PREFIX = "FLYTE_CONNECTORS_"


def add_option(
    parser: argparse.ArgumentParser,
    flag: str,
    *,
    help: str,  # noqa: A002  (argparse's name)
    type: Callable[[str], Any] = str,  # noqa: A002
    default: Any = None,
    metavar: str | None = None,
    repeatable: bool = False,
) -> None:
    """Add `flag`, whose default comes from its environment variable if that is set.

    Args:
        parser: The subcommand's parser.
        flag: Such as `--metrics-port`, whose variable is `FLYTE_CONNECTORS_METRICS_PORT`.
        help: What it does; default and variable are appended.
        type: Converts the text; raises ValueError for a bad one.
        default: Value if neither the flag nor the variable is given.
        metavar: Placeholder in the usage.
        repeatable: The flag may be given several times; the variable is comma-separated.
    """
    variable = PREFIX + flag.lstrip("-").replace("-", "_").upper()
    shown = "" if default in (None, False) else f"default {default}; "
    text = f"{help} ({shown}{variable})"
    value = _from_environment(parser, variable, type, default, repeatable=repeatable)
    if type is bool:
        parser.add_argument(flag, action="store_true", default=value, help=text)
    elif repeatable:
        parser.add_argument(flag, action=_Extend, type=type, default=value, metavar=metavar, help=text)
    else:
        parser.add_argument(flag, type=type, default=value, metavar=metavar, help=text)


class _Extend(argparse.Action):
    """Collects values; the first one given replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given: list[Any] = getattr(namespace, f"_{self.dest}", [])
        given.append(values)
        setattr(namespace, f"_{self.dest}", given)
        setattr(namespace, self.dest, given)


def _from_environment(
    parser: argparse.ArgumentParser,
    variable: str,
    convert: Callable[[str], Any],
    default: Any,
    *,
    repeatable: bool,
) -> Any:
    text = os.environ.get(variable)
    if text is None:
        return default
    if convert is bool:
        return text.strip().lower() in ("1", "true", "yes", "on")
    try:
        return [convert(part.strip()) for part in _parts(text)] if repeatable else convert(text)
    except ValueError:
        parser.error(f"{variable}: invalid value {text!r}")


def _parts(text: str) -> Iterable[str]:
    return [part for part in text.split(",") if part.strip()]
