"""A control group for a job, where the system allows one: no process of the job can leave it.

It needs version 2 of control groups, Linux 5.14 and a writable hierarchy: root, or a service whose
group is delegated (systemd's `Delegate=yes`).

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, "cgroup.kill".
"""

from __future__ import annotations

import contextlib
import os

from flyte_connectors_batch_job.backends.local.processes import read


def make() -> str:
    """Make a group below this process's own. Returns its directory; empty where that can't be."""
    parent = _own()
    if not parent:
        return ""
    path = os.path.join(parent, f"batch-job-{os.urandom(8).hex()}")
    try:
        os.mkdir(path)
    except OSError:
        return ""
    if os.path.exists(_kill_file(path)):
        return path
    remove(path)
    return ""


def enter(path: str) -> None:
    """Move this process into the group; where that is refused, it stays where it is."""
    with contextlib.suppress(OSError):
        _write(os.path.join(path, "cgroup.procs"), b"0")


def kill(path: str) -> None:
    """Send SIGKILL to all processes of the group, those that are being forked included."""
    with contextlib.suppress(OSError):
        _write(_kill_file(path), b"1")


def is_populated(path: str) -> bool:
    """Whether a process is alive in the group or below."""
    return b"populated 1" in read(os.path.join(path, "cgroup.events"))


def remove(path: str) -> None:
    """Remove the group, and those that the job made in it. A group with processes in it stays."""
    for folder, _, _ in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _own() -> str:
    mounts = [line.split() for line in read("/proc/self/mounts").decode().splitlines()]
    folders = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    groups = read("/proc/self/cgroup").decode().splitlines()
    names = [line[len("0::") :] for line in groups if line.startswith("0::")]
    return folders[0] + names[0] if folders and names else ""


def _kill_file(path: str) -> str:
    return os.path.join(path, "cgroup.kill")


def _write(path: str, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY)  # never made here: only the kernel's own files are
    try:
        os.write(file, data)
    finally:
        os.close(file)
