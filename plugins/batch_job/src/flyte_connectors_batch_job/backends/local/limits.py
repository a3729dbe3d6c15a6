"""Limits of a job's memory and CPU that the kernel keeps, where there are control groups for them.

Version 2 of control groups: the job's own group, if the groups below this process's have the controllers (see
`cgroup.make`). Version 1: a group of the job in the hierarchy of each controller. Both need rights that root
has, and a service to which systemd delegates its group.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html, "memory.max", "memory.events", "cpu.max";
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html; https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

import contextlib
import os
import time

from flyte_connectors_batch_job.backends.local import cgroup
from flyte_connectors_batch_job.backends.local.processes import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_PERIOD_MICROSECONDS = 100_000
_LEAST_MICROSECONDS = 1_000  # which the kernel takes as a quota
_REMOVE_SECONDS = 1.0


class Limits:
    """The control groups that limit a job.

    Args:
        group: The job's group of version 2, or empty.
        spec: What to run.

    Attributes:
        groups: Directories of the job's groups of version 1.
        holds_memory: Whether the kernel keeps the job within its memory.
    """

    def __init__(self, group: str, spec: dict[str, Any]) -> None:
        self.groups: list[str] = []
        self._memory_group = ""
        memory, cores = spec.get("memory_bytes"), spec.get("cpu")
        if memory:
            self._limit_memory(group, memory)
        if cores:
            self._limit_cpu(group, max(int(cores * _PERIOD_MICROSECONDS), _LEAST_MICROSECONDS))

    @property
    def holds_memory(self) -> bool:
        """Whether the kernel keeps the job within its memory."""
        return bool(self._memory_group)

    def enter(self) -> None:
        """Move this process into the groups; where that is refused, it stays where it is."""
        for group in self.groups:
            cgroup.enter(group)

    def was_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the job because it had no more memory."""
        if not self._memory_group:
            return False
        for name in ("memory.events", "memory.oom_control"):
            for line in read(os.path.join(self._memory_group, name)).splitlines():
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1]) > 0
        return False

    def _limit_memory(self, group: str, size: int) -> None:
        if group and _set(group, "memory.max", size):
            _set(group, "memory.swap.max", 0)
            _set(group, "memory.oom.group", 1)
            self._memory_group = group
            return
        made = self._make("memory")
        if made and _set(made, "memory.limit_in_bytes", size):
            _set(made, "memory.memsw.limit_in_bytes", size)
            self._memory_group = made

    def _limit_cpu(self, group: str, quota: int) -> None:
        if group and _set(group, "cpu.max", f"{quota} {_PERIOD_MICROSECONDS}"):
            return
        made = self._make("cpu")
        if made and _set(made, "cpu.cfs_period_us", _PERIOD_MICROSECONDS):
            _set(made, "cpu.cfs_quota_us", quota)

    def _make(self, controller: str) -> str:
        parent = cgroup.own_of(controller)
        if not parent:
            return ""
        path = os.path.join(parent, f"{cgroup.PREFIX}{os.urandom(8).hex()}")
        try:
            os.mkdir(path)
        except OSError:
            return ""
        self.groups.append(path)
        return path


def members(groups: Iterable[str]) -> set[int]:
    """Ids of the processes that are in groups of a job."""
    return {int(pid) for group in groups for pid in read(os.path.join(group, "cgroup.procs")).decode().split()}


def remove(groups: Iterable[str]) -> None:
    """Remove groups of a job that has ended."""
    give_up_at = time.monotonic() + _REMOVE_SECONDS
    for group in groups:
        cgroup.remove(group)
        while os.path.isdir(group) and time.monotonic() < give_up_at:
            time.sleep(0.01)  # the kernel still frees what its last process had
            cgroup.remove(group)


def _set(group: str, name: str, value: object) -> bool:
    """Write a file of a group. False if there is no such file, or the kernel refuses the value."""
    with contextlib.suppress(OSError):
        cgroup.write(os.path.join(group, name), str(value).encode())
        return True
    return False
