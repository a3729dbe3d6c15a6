"""File systems of one's own, which end with this process."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18


def own_mounts(*, also: int = 0) -> None:
    """Move this process, and those that it starts, into a mount namespace of their own.

    Args:
        also: Further kinds of namespaces, as unshare(2) has them.

    Raises:
        OSError: This process may not do that.
    """
    uid, gid = os.getuid(), os.getgid()
    user = 0 if uid == 0 else _CLONE_NEWUSER
    check(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS | user | also))
    if user:  # be root in the new user namespace
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def tmpfs(path: Path, size: str) -> None:
    """A file system in memory of that size."""
    path.mkdir()
    mount("tmpfs", str(path), "tmpfs", 0, f"size={size}")


def read_only(source: Path, path: Path) -> None:
    """The same folder once more, without the right to write."""
    path.mkdir()
    bind(source, path)
    mount(str(source), str(path), "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY)


def bind(source: Path, path: Path) -> None:
    """A file or folder in place of another."""
    mount(str(source), str(path), "", _MS_BIND)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system; see its page of the manual.

    Raises:
        OSError: The kernel refuses it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parts = (source.encode(), target.encode(), kind.encode() or None)
    check(libc.mount(*parts, ctypes.c_ulong(flags), options.encode() or None))


def check(result: int) -> None:
    """Raise what a call of the C library has left in `errno`.

    Raises:
        OSError: The call failed.
    """
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
