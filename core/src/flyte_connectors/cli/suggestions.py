"""Parsers that suggest the name that was probably meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from flyte_connectors._calls.suggestions import did_you_mean


class SuggestingParser(argparse.ArgumentParser):
    """A parser that suggests the option or the choice that was probably meant.

    Options can't be abbreviated: a new option would make the abbreviation ambiguous.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        """Parse all arguments; none may be unknown."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return parsed, unknown

    def _meant(self, unknown: Sequence[str]) -> str:
        known = [flag for action in self._actions for flag in action.option_strings]
        flags = [text.partition("=")[0] for text in unknown if text.startswith("-")]
        return did_you_mean(flags[0], known) if flags else ""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write a message; unlike argparse's own method, one that fails is an error."""
        if message:
            (file or sys.stderr).write(message)
