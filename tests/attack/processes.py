"""Every process below this one, however it tries to leave its family.

A subreaper adopts the orphans among its descendants (prctl(2)), so what this process has started, at any
remove, is found below it: after a double fork, in a new session, under another name, without environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """A running process."""

    pid: int
    parent: int
    state: str
    command: str


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(*, without: Collection[int] = ()) -> list[Process]:
    """The processes below this one that are alive; zombies are reaped and left out.

    Args:
        without: Children that are somebody else's to wait for.
    """
    everybody = {process.pid: process for process in _all()}
    return [
        process
        for process in everybody.values()
        if process.pid not in without and _is_below(process, everybody) and _is_alive(process)
    ]


def end(processes: Collection[Process]) -> None:
    """Kill these, one by one."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _all() -> list[Process]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                found.append(_read(int(entry.name)))
    return found


def _read(pid: int) -> Process:
    name, _, rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    state, parent = rest.split()[:2]
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    command = words.decode(errors="replace").strip() or name.partition("(")[2]
    return Process(pid, int(parent), state, command)


def _is_below(process: Process, everybody: dict[int, Process]) -> bool:
    own = os.getpid()
    seen = 0
    while process.pid != own and seen < len(everybody):
        parent = everybody.get(process.parent)
        if parent is None:
            return False
        process, seen = parent, seen + 1
    return process.pid == own and seen > 0


def _is_alive(process: Process) -> bool:
    if process.state not in "ZX":
        return True
    if process.parent == os.getpid():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return False
