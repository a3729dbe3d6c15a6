"""Who guards a job: its keeper and its supervisor.

Their process ids say whether they live where ids mean something: on the same boot of the same machine,
in the same container. Elsewhere the lock does, which both hold: the kernel drops a lock in the very
moment its last holder dies. On the same machine the lock does not count, because a job can remove it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal

from flyte_connectors_batch_job.backends.local import files, processes, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KEEPER = "keeper"
SUPERVISOR = "supervisor"
BEGUN = "begun.json"
LOCK = "supervisor.lock"


class Guardians:
    """Keeper and supervisor of a job, as any process sees them.

    Args:
        folder: The job's directory.
    """

    def __init__(self, folder: str) -> None:
        self._begun = os.path.join(folder, BEGUN)
        self._lock = os.path.join(folder, LOCK)

    def names(self) -> list[tuple[int, str]] | None:
        """Process id and start of keeper and supervisor; None if they can't be seen from here."""
        begun = files.read_json_if_sound(self._begun)
        if not begun or begun.get("host") != processes.host():
            return None
        try:
            named = [begun[KEEPER], begun[SUPERVISOR]]
            return [(int(pid), str(start)) for pid, start in named]
        except (KeyError, TypeError, ValueError):  # the job has written to it
            return None

    def are_alive(self, *, wake: bool = False) -> bool:
        """Whether one of them is alive; `wake` continues stopped ones."""
        names = self.names()
        if names is not None:
            return _any_alive(names, wake=wake)
        is_locked = self._is_locked()
        if is_locked and wake and not files.read_json_if_sound(self._begun):
            self._wake_unnamed()
        return is_locked

    def _wake_unnamed(self) -> None:
        """Continue a stopped supervisor whose id the job has removed; running, it writes that down again."""
        folder = os.fsencode(os.path.dirname(self._lock))
        for pid, process in processes.table().items():
            if process.is_stopped and folder in processes.read(f"/proc/{pid}/cmdline").split(b"\0"):
                tree.send(pid, signal.SIGCONT)

    def tell_of_cancellation(self) -> bool:
        """Notify the supervisor of a cancellation. False if it can't be notified from here."""
        names = self.names()
        if names is None:
            return False
        pid, start = names[-1]
        if processes.is_alive(pid, start):
            tree.send(pid, signal.SIGUSR1)
        return True

    @contextlib.contextmanager
    def kept_away(self) -> Iterator[bool]:
        """Lock the job for a moment; yields whether it has neither keeper nor supervisor."""
        try:
            lock = self.open_lock()
        except OSError:  # the job has put something else in its place, or the disk is read-only
            lock = None
        try:
            is_free = lock is not None and try_lock(lock, fcntl.LOCK_EX)
            names = self.names()
            yield is_free if names is None else not _any_alive(names)
        finally:
            if lock is not None:
                os.close(lock)

    def open_lock(self) -> int:
        """A new descriptor of the lock's file, which is made if need be."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self._lock, flags, 0o600)

    def _is_locked(self) -> bool:
        try:
            lock = files.open_regular(self._lock)
        except files.DamagedFileError:
            return False
        if lock is None:
            return False
        try:
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock of `kind`, one of `fcntl`'s, if it is free. Returns whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _any_alive(names: list[tuple[int, str]], *, wake: bool = False) -> bool:
    found = [(pid, processes.look(pid), start) for pid, start in names]
    alive = [(pid, seen) for pid, seen, start in found if seen and seen.is_same(start)]
    for pid, seen in alive:
        if wake and seen.is_stopped:
            tree.send(pid, signal.SIGCONT)
    return bool(alive)
