"""System calls that Python does not offer. Each does nothing where the system lacks it.

Sources: prctl(2), landlock(7); the numbers are those of <linux/prctl.h> and <linux/landlock.h>.
"""

from __future__ import annotations

import ctypes
import os
import sys

_IS_LINUX = sys.platform == "linux"

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

# The same on every architecture: they are younger than the common table of system calls.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_SCOPE_SIGNAL = 2
_LANDLOCK_VERSION_WITH_SIGNALS = 6  # Linux 6.12
_LANDLOCK_CREATE_RULESET_VERSION = 1

_ARGUMENTS_AT = 45  # place of arg_start in /proc/<pid>/stat, counted behind the command's name


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (a "child subreaper")."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have this process killed when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def close_memory() -> None:
    """Keep other processes of the same user out of this one's memory and `/proc` entries."""
    _prctl(_PR_SET_DUMPABLE, 0)


def confine() -> None:
    """Let this process and its descendants neither signal nor inspect processes outside of them.

    Works from Linux 6.12 on, for root or where no process can gain rights (`no_new_privs`, as in
    containers with `allowPrivilegeEscalation: false`).
    """
    if not _IS_LINUX:
        return
    call = ctypes.CDLL(None).syscall
    version = call(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    if version < _LANDLOCK_VERSION_WITH_SIGNALS:
        return
    rules = (ctypes.c_uint64 * 3)(0, 0, _LANDLOCK_SCOPE_SIGNAL)  # files, network, scopes
    ruleset = call(_LANDLOCK_CREATE_RULESET, rules, ctypes.sizeof(rules), 0)
    if ruleset >= 0:
        call(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)


def rename_process(name: str) -> None:
    """Show this process as `name`, and as nothing else, in `ps`, `pgrep` and the like."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()))
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # not Linux
        return
    start, end = map(int, fields[_ARGUMENTS_AT : _ARGUMENTS_AT + 2])
    if 0 < start < end:
        ctypes.memmove(start, name.encode().ljust(end - start, b"\0")[: end - start], end - start)


def _prctl(option: int, value: object) -> None:
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
