"""A control group for a job, where the system allows one: no process of the job can leave it.

It needs version 2 of control groups, Linux 5.14 and a writable hierarchy: root, or a service whose
group is delegated (systemd's `Delegate=yes`).

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, "cgroup.kill".
"""

from __future__ import annotations

import contextlib
import os

from flyte_connectors_batch_job.backends.local.processes import read

PREFIX = "batch-job-"

_DELEGATED = "user.delegate"  # https://systemd.io/CGROUP_DELEGATION/


def make() -> str:
    """Make a group below this process's own. Returns its directory; empty where that can't be.

    A service that systemd runs in a subgroup of a group that it delegates (`DelegateSubgroup=`) has the jobs
    beside that subgroup, since the kernel limits groups only below those that have no processes.
    """
    parent = _own()
    if not parent:
        return ""
    above = os.path.dirname(parent)
    if _is_delegated(above):
        with contextlib.suppress(OSError):
            write(os.path.join(above, "cgroup.subtree_control"), b"+memory +cpu")
        parent = above
    path = os.path.join(parent, f"{PREFIX}{os.urandom(8).hex()}")
    try:
        os.mkdir(path)
    except OSError:
        return ""
    if os.path.exists(_kill_file(path)):
        return path
    remove(path)
    return ""


def own_of(controller: str) -> str:
    """Directory of this process's group in the hierarchy of a controller of version 1; empty if there is none."""
    lines = [line.split(":", 2) for line in read("/proc/self/cgroup").decode().splitlines()]
    names = [name for _, controllers, name in lines if controller in controllers.split(",")]
    mounts = [line.split() for line in read("/proc/self/mounts").decode().splitlines()]
    tops = [fields[1] for fields in mounts if fields[2] == "cgroup" and controller in fields[3].split(",")]
    if not names or not tops:
        return ""
    path = tops[0] + names[0].rstrip("/")
    return path if os.path.isdir(path) else tops[0]  # in a container the mount may be the group


def enter(path: str) -> None:
    """Move this process into the group; where that is refused, it stays where it is."""
    with contextlib.suppress(OSError):
        write(os.path.join(path, "cgroup.procs"), b"0")


def kill(path: str) -> None:
    """Send SIGKILL to all processes of the group, those that are being forked included."""
    with contextlib.suppress(OSError):
        write(_kill_file(path), b"1")


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


def _is_delegated(path: str) -> bool:
    try:
        return os.getxattr(path, _DELEGATED) == b"1"
    except (OSError, AttributeError):
        return False


def _kill_file(path: str) -> str:
    return os.path.join(path, "cgroup.kill")


def write(path: str, data: bytes) -> None:
    """Write a file of a group. Raises OSError if there is none, or if the kernel refuses it."""
    file = os.open(path, os.O_WRONLY)  # never made here: only the kernel's own files are
    try:
        os.write(file, data)
    finally:
        os.close(file)
