"""Where data sets may come from.

The service itself imports this module and never `fetching`, whose libraries take longer to load.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path


class DatasetError(Exception):
    """The data set cannot be fetched, read or trained on; the text says why, in one line."""


def default_roots() -> tuple[Path, ...]:
    """The folders that files are read from by default: the current and the temporary one."""
    return Path.cwd().resolve(), Path(tempfile.gettempdir()).resolve()


@dataclass(frozen=True)
class Sources:
    """Where data sets may come from.

    Args:
        roots: Folders that files may be below; None allows any, for a job of the user's own.
        serves_loopback_only: Whether all clients are on this machine, and can reach its ports themselves.
    """

    roots: tuple[Path, ...] | None
    serves_loopback_only: bool = False
