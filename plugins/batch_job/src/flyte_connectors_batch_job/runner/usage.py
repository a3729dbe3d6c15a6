"""CPU time and memory of a tree of running processes, where the kernel offers `/proc`.

Source: proc_pid_stat(5) and proc_tid_children(5). Elsewhere there are no readings while the job
runs; what `getrusage` says at its end is there everywhere.
"""

from __future__ import annotations

import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RUSAGE_MEMORY_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss, getrusage(2)

# Places in /proc/<pid>/stat, counted behind the command's name.
_UTIME, _CSTIME, _RESIDENT = 11, 14, 21


def of_processes(root: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and all that descend from it."""
    ticks = pages = 0
    for pid in _tree(root):
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if fields:  # else it has ended since
            ticks += sum(map(int, fields[_UTIME : _CSTIME + 1]))
            pages += int(fields[_RESIDENT])
    return ticks / _TICKS_PER_SECOND, pages * _PAGE_BYTES


def of_finished_children() -> tuple[float, int]:
    """CPU seconds of all children that have ended, and peak bytes of the largest of them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * _RUSAGE_MEMORY_BYTES


def _tree(root: int) -> Iterator[int]:
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        for thread in _threads(pid):
            pending += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
