"""The system's table of processes: who is whose child, and whether an id still means the same one.

A process is named by its id and its start, because ids are used again.

Sources: proc_pid_stat(5), proc_tid_children(5); elsewhere ps(1) as POSIX has it, with the `lstart`
that Linux and the BSDs add.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any

IS_LINUX = sys.platform == "linux"

# Places in /proc/<pid>/stat, counted behind the command's name.
_STATE, _PARENT, _GROUP, _START = 0, 1, 2, 19
_READ_BYTES = 64 * 1024
_DEAD = "ZXx"
_STOPPED = "T"

_here: list[str] = []


class Process:
    """One row of the table.

    Attributes:
        state: Letter as `ps` shows it, such as `S` for sleeping or `Z` for a zombie.
        parent: Id of its parent.
        group: Id of its process group.
        start: When it started, in the system's own notation; with the id, it names the process.
    """

    __slots__ = ("group", "parent", "start", "state")

    def __init__(self, state: str, parent: str, group: str, start: str) -> None:
        self.state = state
        self.parent = int(parent)
        self.group = int(group)
        self.start = start

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended; one that has may wait as a zombie for its parent."""
        return self.state not in _DEAD

    def is_same(self, start: str) -> bool:
        """Whether it is the process that was alive with this id and start, and is alive still."""
        return self.is_alive and self.start == start

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        return self.state == _STOPPED


def host() -> str:
    """Where process ids mean what they mean here: this boot of this machine, this container."""
    if not _here:
        if IS_LINUX:
            boot = read("/proc/sys/kernel/random/boot_id").decode().strip()
            _here.append(f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}")
        else:
            _here.append(os.uname().nodename)
    return _here[0]


def name_of(pid: int) -> list[Any]:
    """Id and start of a process of this user that is alive, as JSON keeps them."""
    process = look(pid)
    return [pid, process.start if process else ""]


def look(pid: int) -> Process | None:
    """The process of this id, or None if there is none."""
    if not IS_LINUX:
        return table().get(pid)
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].decode().split()
    if len(fields) <= _START:
        return None
    return Process(fields[_STATE], fields[_PARENT], fields[_GROUP], fields[_START])


def is_alive(pid: int, start: str) -> bool:
    """Whether the process that had this id and start is alive."""
    process = look(pid)
    return process is not None and process.is_same(start)


def table() -> dict[int, Process]:
    """All processes that this one can see, by id."""
    if not IS_LINUX:
        return table_of_ps()
    found = {pid: look(pid) for pid in ids()}
    return {pid: process for pid, process in found.items() if process}


def table_of_ps() -> dict[int, Process]:
    """The table as ps(1) gives it, for systems without `/proc`."""
    import subprocess

    columns = "pid=,stat=,ppid=,pgid=,lstart="
    shown = subprocess.run(["ps", "-A", "-o", columns], capture_output=True, check=True)  # noqa: S603, S607
    rows = [line.split(None, 4) for line in shown.stdout.decode(errors="replace").splitlines()]
    return {int(pid): Process(state[0], *rest) for pid, state, *rest in rows}


def ids() -> list[int]:
    """The ids in `/proc`."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(roots: Iterable[int], known: dict[int, Process] | None = None) -> list[int]:
    """All processes that descend from `roots`, parents first; zombies included, the roots not.

    Args:
        roots: Process ids.
        known: The table to look in; by default these processes alone are looked up in the system.
    """
    if known is None and not os.path.exists("/proc/self/task"):
        known = table()
    children = _Children(known)
    found: dict[int, None] = {}
    pending = list(roots)
    while pending:
        new = [pid for pid in children.of(pending.pop()) if pid not in found]
        found.update(dict.fromkeys(new))
        pending += new
    return list(found)


class _Children:
    """Who is whose child: by the table that is given, or by asking the kernel."""

    def __init__(self, known: dict[int, Process] | None) -> None:
        self._by_parent: dict[int, list[int]] | None = None
        if known is not None:
            self._by_parent = {}
            for pid, process in known.items():
                self._by_parent.setdefault(process.parent, []).append(pid)

    def of(self, pid: int) -> Collection[int]:
        if self._by_parent is not None:
            return self._by_parent.get(pid, ())
        return [child for thread in _threads(pid) for child in _children(pid, thread)]


def _children(pid: int, thread: str) -> Iterator[int]:
    return map(int, read(f"/proc/{pid}/task/{thread}/children").split())


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def read(path: str) -> bytes:
    """The bytes of a file in `/proc`; empty if its process is gone or closed to us."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    data = b""
    try:
        while part := os.read(file, _READ_BYTES):
            data += part
    except OSError:
        return b""
    finally:
        os.close(file)
    return data
