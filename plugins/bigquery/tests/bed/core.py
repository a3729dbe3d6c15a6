"""A processor core for one process of a test, so that others on the machine are not measured.

What nobody may do here (another core, real-time scheduling without the right to it) is left out:
the measurement is noisier then.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def threads(pid: int) -> set[int]:
    """The ids of the threads that a process has now."""
    return {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()}


def pin(pid: int, core: int) -> None:
    """Run all threads of a process, and those that they start, on one of the allowed cores."""
    cores = sorted(os.sched_getaffinity(0))
    allow(pid, {cores[core % len(cores)]})


def allow(pid: int, cores: set[int]) -> None:
    """Run all threads of a process, and those that they start, on these cores."""
    for thread in threads(pid):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def prefer(tids: set[int], priority: int) -> None:
    """Run threads before everything of a lower priority as soon as they can; 0 for as usual."""
    policy = os.SCHED_RR if priority else os.SCHED_OTHER
    for thread in tids:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(thread, policy, os.sched_param(priority))
