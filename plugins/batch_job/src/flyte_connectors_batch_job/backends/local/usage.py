"""CPU time and memory of running processes, where the kernel offers `/proc`.

Source: proc_pid_stat(5). Elsewhere there are no readings while the job
runs; what `getrusage` says at its end is there everywhere.
"""

from __future__ import annotations

import os

from flyte_connectors_batch_job.backends.local.processes import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# Places in /proc/<pid>/stat, counted behind the command's name.
_UTIME, _CSTIME, _RESIDENT = 11, 14, 21


def of_processes(pids: Iterable[int]) -> tuple[float, int]:
    """CPU seconds of processes and of their children that have ended; resident bytes."""
    ticks = pages = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if fields:  # else it has ended since
            ticks += sum(map(int, fields[_UTIME : _CSTIME + 1]))
            pages += int(fields[_RESIDENT])
    return ticks / _TICKS_PER_SECOND, pages * _PAGE_BYTES


def memory_of(pids: Iterable[int]) -> int:
    """Bytes of memory that processes use together; what several share counts once.

    Slower than `of_processes`, which counts for each process what it shares.

    Source: proc_pid_smaps(5), `Pss`.
    """
    kibibytes = 0
    for pid in pids:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                kibibytes += int(line.split()[1])
    return kibibytes * 1024
