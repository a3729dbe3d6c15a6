"""The name that was probably meant, for messages about one that is unknown."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name that is spelt most like `name`; empty if none is."""
    import difflib  # for a message that is seldom needed

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to the message that `name` is unknown: the name that was probably meant, or all."""
    known = list(known)
    close = nearest(name, known)
    return f"; did you mean '{close}'?" if close else f"; available: {', '.join(known) or 'none'}"
