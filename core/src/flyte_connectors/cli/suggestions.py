"""Parsers that suggest the name that was probably meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to the message that `name` is unknown: the name that was probably meant, or all."""
    import difflib  # for a message that is seldom needed

    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; available: {', '.join(known) or 'none'}"


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
