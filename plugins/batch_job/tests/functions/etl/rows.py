"""What the functions of `jobs` call."""

from __future__ import annotations


def parsed(row: str) -> int:
    """A row as a number."""
    return int(row)
