"""What a supervisor writes down about its job, and restores if the job removes it."""

from __future__ import annotations

import fcntl
import os
import time

from flyte_connectors_batch_job.backends.local import files, processes, tree
from flyte_connectors_batch_job.backends.local.guardians import (
    BEGUN,
    KEEPER,
    LOCK,
    SUPERVISOR,
    try_lock,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job

_SHARE = 20  # looking for processes may take one part in so many of the supervisor's time


class Records:
    """The supervisor's hold on its job's directory.

    Args:
        job: The job.
        lock: Descriptor of the lock that its keeper has taken.
        cgroup: The job's control group, or empty.
        keeper: The keeper's process id.
    """

    def __init__(self, job: Job, lock: int, cgroup: str, keeper: int) -> None:
        self.keeper = keeper
        self._job = job
        self._lock = lock
        self._cgroup = cgroup
        self._host = processes.host()
        self._begun = {
            "at": time.time(),
            "host": self._host,
            KEEPER: processes.name_of(keeper),
            SUPERVISOR: processes.name_of(os.getpid()),
        }
        self._begun_inode: int | None = None
        self._members: list[int] = []
        self._limits: list[str] = []
        self._look_at = 0.0

    def begin(self) -> None:
        """Write down, for ever, that the job has been started."""
        self._write_members()
        self._write_begun()

    def note_limits(self, groups: list[str]) -> None:
        """Write down which control groups of version 1 the job has."""
        self._limits = groups
        if groups:
            self._write_members()

    def note_members(self) -> list[int]:
        """Write down which processes the job has, if that has changed. Returns their ids.

        A job with very many of them is looked at less often.
        """
        started = time.monotonic()
        if started < self._look_at:
            return self._members
        members = tree.of_this_process()
        if members != self._members:
            self._members = members
            self._write_members()
        now = time.monotonic()
        self._look_at = now + _SHARE * (now - started)
        return members

    def restore(self) -> None:
        """Put back what the job has removed or replaced."""
        self._job.reopen()
        if files.inode(self._job.file(BEGUN)) != self._begun_inode:
            self._write_begun()
        if files.inode(self._job.file("running.json")) is None:
            self._write_members()
        if files.inode(self._job.file(LOCK)) != os.fstat(self._lock).st_ino:
            files.remove(self._job.file(LOCK))
            self._lock = self._job.guardians.open_lock()
            try_lock(self._lock, fcntl.LOCK_EX)

    def _write_begun(self) -> None:
        path = self._job.file(BEGUN)
        files.write_json(path, self._begun)
        self._begun_inode = files.inode(path)

    def _write_members(self) -> None:
        record: dict[str, Any] = {
            "host": self._host,
            "cgroup": self._cgroup,
            "limits": self._limits,
            "processes": [processes.name_of(pid) for pid in self._members],
        }
        files.write_json(self._job.file("running.json"), record, durable=False)
