"""Copies what a function reports to where its connector can read it, while it runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from flyte_connectors.errors import ConnectorError
from flyte_connectors.io import storage

from flyte_connectors_functions.reports import TAIL_BYTES

SECONDS = 2.0
"""How often what is new is copied."""


@contextlib.contextmanager
def copied(file: Path, uri: str) -> Iterator[None]:
    """Within this block, the end of `file` is copied to `uri` whenever there is more of it; nowhere if that is empty.

    What can't be copied now is copied later: a report is never a reason to fail.
    """
    if not uri:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_copy, args=(file, uri, over), name="report", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _copy(file: Path, uri: str, over: threading.Event) -> None:
    size = 0
    is_over = False
    while not is_over:
        is_over = over.wait(SECONDS)
        with contextlib.suppress(OSError, ConnectorError):
            found = file.stat().st_size
            if found != size:
                with file.open("rb") as opened:
                    opened.seek(max(0, found - TAIL_BYTES))
                    storage.write_bytes(uri, opened.read())
                size = found
