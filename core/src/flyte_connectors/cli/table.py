"""Plain tables with colours where a person looks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


def colour(text: str, name: str, stream: TextIO) -> str:
    """`text` in a colour, if `stream` is a terminal that wants one (https://no-color.org)."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[name]}m{text}\x1b[0m"


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str, colours: Mapping[str, str]
) -> None:
    """Print rows under a header to standard output.

    Args:
        header: Column titles.
        rows: Cells as text.
        empty: What to say instead of a table without rows, on standard error.
        colours: Colour for cells with a certain text.
    """
    if not rows:
        print(empty, file=sys.stderr)
        return
    columns = [column for column in range(len(header)) if any(row[column] for row in rows)]
    widths = {c: max(len(header[c]), *(len(row[c]) for row in rows)) for c in columns}
    print(colour("  ".join(header[c].ljust(widths[c]) for c in columns).rstrip(), "bold", sys.stdout))
    for row in rows:
        cells = [(row[c], row[c].ljust(widths[c])) for c in columns]
        painted = [colour(cell, colours[text], sys.stdout) if text in colours else cell for text, cell in cells]
        print("  ".join(painted).rstrip())
