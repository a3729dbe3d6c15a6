"""Write a file so that its readers see all of it or none."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import IO

_MARK = ".partial"


@contextlib.contextmanager
def replacing(path: pathlib.Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path`, whatever is there, when the block ends without an error.

    Any number of threads and processes may write one path: each has its own file, and the last one wins. If
    the block fails, nothing is left of it.

    Args:
        path: Where the file shall be; missing folders are made.
        durable: Whether to wait until the disk has it; else a crash of the system may leave it empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.urandom(8).hex()}{_MARK}")
    try:
        with partial.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def is_partial(path: pathlib.Path) -> bool:
    """Whether a file is a temporary one: still being written, or left by a killed process."""
    return path.name.startswith(".") and path.name.endswith(_MARK)
