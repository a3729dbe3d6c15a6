"""The parts of the test bed."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .report import Tally
from .setting import Setting

Play = Callable[[Setting, Tally], Awaitable[None]]


@dataclass(frozen=True)
class Part:
    """One kind of attack.

    Attributes:
        module: Holds `play`.
        shares: Among how many processes its full form is split.
        limit: Seconds after which the full form is given up; the short one after a quarter of it.
    """

    module: str
    summary: str
    shares: int = 1
    limit: float = 900.0

    def load(self) -> Play:
        """The part itself; imported late, because some parts change their process first."""
        play: Any = importlib.import_module(f"tests.attack.{self.module}").play
        return play  # type: ignore[no-any-return]


PARTS = {
    "steps": Part("steps", "a service killed at every step of a create"),
    "guardians": Part("guardians", "a job's keeper and supervisor killed at every step"),
    "workers": Part("workers", "workers, and who runs them, killed while jobs are created"),
    "creates": Part("creates", "creates that are slow, late, lost, repeated or killed", shares=2),
    "spools": Part("spools", "spools shared, foreign, full, read-only, cleaned, damaged"),
    "freezes": Part("freezes", "a process that is frozen, and connectors that are blamed for it"),
    "walls": Part("walls", "requests that lead elsewhere than the operator allows"),
    "fuzz": Part("fuzz", "requests that no back end would send"),
    "leaks": Part("leaks", "secrets shown by a careless connector"),
    "drains": Part("drains", "services told to end while callers never pause"),
    "trees": Part("trees", "processes that try to outlive their job", shares=3),
}
