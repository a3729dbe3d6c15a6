"""The threads of grpcio that bring calls from the connections to their handlers.

On a machine with more work than processors they wait for their turn while the event loop already has had
its own: that nothing arrives then does not mean that nothing was sent.
"""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator

_THREADS = pathlib.Path("/proc/self/task")
_READING = b"event_engine"  # the core's threads, by the name that they give themselves
_DELIVERING = "_poll_wrapper"  # the function that runs in the thread of grpc.aio
_RUNNABLE = b"R"


def are_busy() -> bool:
    """Whether one of them runs or waits for a processor; False where the system does not report that."""
    return any(state == _RUNNABLE for state in _states())


def _states() -> Iterator[bytes]:
    delivering = {t.native_id for t in threading.enumerate() if _DELIVERING in t.name}
    for folder in _THREADS.iterdir() if _THREADS.is_dir() else ():
        with contextlib.suppress(OSError):  # it has just ended
            before, _, after = (folder / "stat").read_bytes().rpartition(b")")
            if int(folder.name) in delivering or before.partition(b"(")[2].startswith(_READING):
                yield after.split()[0]
