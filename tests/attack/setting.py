"""What a run of the test bed is asked for."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    """How much is tried, and where.

    Attributes:
        directory: For logs, spools and whatever else an attack needs.
        full: Everything; else what takes a few seconds.
        seed: Of everything drawn by chance.
        share: Which of how many processes this is, where a part is split: (0, 1) for the only one.
    """

    directory: Path
    full: bool = False
    seed: int = 0
    share: tuple[int, int] = (0, 1)

    def folder(self, name: str) -> Path:
        """A new folder."""
        path = self.directory / name
        path.mkdir(parents=True)
        return path

    def draw(self, what: str) -> random.Random:
        """A source of chance that nothing else draws from."""
        return random.Random(f"{self.seed} {what}")

    def progress(self, text: str) -> None:
        """Tell the reader of the terminal."""
        print(text, file=sys.stderr, flush=True)
