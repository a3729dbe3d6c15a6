"""Finds and kills all processes of a job, also those that try to hide.

While the job's supervisor or keeper lives, every process of the job descends from it: orphans are adopted by
them. So `end_all`, which they call, misses nothing.

If both were killed in the same moment, the job's processes are orphans of the system, and the next call about
the job calls `sweep`. It finds them by three marks, each of which a process would
have to lose: the job's variable in its environment, its entry in the record that the supervisor keeps
of the job's processes, and the job's control group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from flyte_connectors_batch_job.backends.local import cgroup, limits, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from resource import struct_rusage
    from typing import Any

MEMBER_MARK = "BATCH_JOB_MARK"
"""Variable in the environment of each process of a job: whose it is."""

GUARDIAN_MARK = "BATCH_JOB_GUARDS"
"""The same in the environment of the job's supervisor and keeper."""

SWEEP_SECONDS = 2.0
_RUSAGE_MEMORY_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss, getrusage(2)
_BURST = 20  # rounds without a pause: faster than a process that forks and ends all the time
_PAUSE_SECONDS = 0.25
_WAIT_ALL = 0x40000000 if processes.IS_LINUX else 0  # __WALL: children of clone(2), too


class Ended:
    """A child that has ended.

    Attributes:
        exit_code: Its exit code; negative for a signal.
        cpu_seconds: What it has used, and those children that it has waited for.
        peak_bytes: Memory of the largest of them.
    """

    __slots__ = ("cpu_seconds", "exit_code", "peak_bytes")

    def __init__(self, status: int, used: struct_rusage) -> None:
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = used.ru_utime + used.ru_stime
        self.peak_bytes = used.ru_maxrss * _RUSAGE_MEMORY_BYTES


def of_this_process() -> list[int]:
    """All processes that descend from this one."""
    return processes.descendants([os.getpid()])


def end_all(group: str = "") -> dict[int, Ended]:
    """Kill all processes that descend from this one; return when none is left.

    Args:
        group: The job's control group, or empty.

    Returns:
        How each child has ended, by its id.
    """
    statuses: dict[int, Ended] = {}
    pause = 0.001
    while True:
        for _ in range(_BURST):
            if group:
                cgroup.kill(group)
            kill(of_this_process())
            ended, some_are_left = reap()
            statuses.update(ended)
            if not some_are_left:
                return statuses
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE_SECONDS)


def reap() -> tuple[dict[int, Ended], bool]:
    """How children have ended since the last call, by their ids; and whether others are left."""
    ended: dict[int, Ended] = {}
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG | _WAIT_ALL)
        except ChildProcessError:
            return ended, False
        if not pid:
            return ended, True
        ended[pid] = Ended(status, used)


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to processes, and to their groups: none forks out of a group meanwhile."""
    ours = os.getpgrp()
    for pid in pids:
        process = processes.look(pid)
        send(pid, signal.SIGKILL)
        if process and process.group not in (0, 1, ours):
            with contextlib.suppress(OSError):
                os.killpg(process.group, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def sweep(mark: str, record: dict[str, Any]) -> bool:
    """Kill the processes of a job that has neither supervisor nor keeper any more.

    Args:
        mark: The job's mark in its processes' environment.
        record: What `running.json` of the job holds, if it was written on this machine.

    Returns:
        Whether no process of the job is alive now, as far as this process can see.
    """
    give_up_at = time.monotonic() + SWEEP_SECONDS
    group = record.get("cgroup", "")
    recorded = record.get("processes", [])
    groups = record.get("limits", [])
    while True:
        if group:
            cgroup.kill(group)
        left = _left(mark, recorded, groups)
        if not left and not (group and cgroup.is_populated(group)):
            break
        kill(left)
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(0.005)
    if group:
        cgroup.remove(group)
    limits.remove(groups)
    return True


def is_any_marked(prefix: str) -> bool:
    """Whether a process, as far as this one can see, has the mark of a job that begins with `prefix`."""
    if not processes.IS_LINUX:
        return False
    entries = [f"{variable}={prefix}".encode() for variable in (MEMBER_MARK, GUARDIAN_MARK)]
    found = (processes.read(f"/proc/{pid}/environ") for pid in processes.ids())
    return any(entry in environment for environment in found for entry in entries)


def _left(mark: str, recorded: Iterable[Iterable[Any]], groups: Iterable[str]) -> list[int]:
    """The job's processes that are alive; its supervisor and keeper when no other is."""
    table = processes.table()
    known = {int(pid) for pid, start in recorded if pid in table and table[pid].start == start}
    members = known | _marked(MEMBER_MARK, mark) | limits.members(groups)
    guardians = _marked(GUARDIAN_MARK, mark) - {os.getpid()}
    found = [*members, *processes.descendants([*members, *guardians], table)]
    alive = {pid for pid in found if pid in table and table[pid].is_alive} - {os.getpid()}
    return sorted(alive - guardians) or sorted(guardians)


def _marked(variable: str, mark: str) -> set[int]:
    if not processes.IS_LINUX or not mark:
        return set()
    entry = f"{variable}={mark}".encode()
    return {
        pid
        for pid in processes.ids()
        if entry in (environment := processes.read(f"/proc/{pid}/environ")) and entry in environment.split(b"\0")
    }
