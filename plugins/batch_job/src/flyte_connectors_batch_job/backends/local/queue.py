"""The queue: which jobs may run now, and which wait for slots.

    <spool>/.queue/
      lock                 flock held by the process that looks at the queue
      waiting/<entry>      a job that waits
      running/<entry>      a job that has slots; flock held by its keeper and supervisor

An entry is an empty file whose name says everything, so that their sorted names are the order:

    <1000 - priority>.<nanoseconds of its submission>.<slots>.<MiB>.<job id>

There is no process that keeps the queue. Each process that submits a job, asks about one that waits, or has
ended one, looks at the queue and starts what fits: so it goes on whatever was killed, with the next call that asks. Strictly in order: a job that does not fit lets none behind it pass.

The slots of a job are free when no process holds its entry's lock (the kernel drops it when its keeper
and supervisor are dead) and none of its processes is alive. A job in `running` that has not begun
was let down by the process that was to start it, and is started again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from flyte_connectors_batch_job.backends.local import files, identity, slots
from flyte_connectors_batch_job.backends.local.guardians import try_lock
from flyte_connectors_batch_job.backends.local.job import ENDED, Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = ".queue"
MOST_PRIORITY = 1000

_WAITING = "waiting"
_RUNNING = "running"


class Entry:
    """What the name of an entry says."""

    def __init__(self, name: str) -> None:
        _, _, slots_, memory, self.job_id = name.split(".", 4)
        self.name = name
        self.slots = int(slots_)
        self.memory_mib = int(memory)


class Queue:
    """The queue of a spool.

    Args:
        root: The spool's directory.
        spool_id: Its identity.
    """

    def __init__(self, root: str, spool_id: str) -> None:
        self._root = root
        self._spool_id = spool_id
        self._folder = os.path.join(root, FOLDER)

    def admit(self, entering: Iterable[Job] = ()) -> list[tuple[Job, int]]:
        """Give slots to the jobs whose turn it is.

        Args:
            entering: Jobs that need slots, whether they are in the queue already or not.

        Returns:
            Jobs to start now, each with a descriptor that its keeper has to inherit: it holds the
            job's slots. The caller closes it.

        Raises:
            OSError: the queue can't be read or written.
            slots.InvalidSlotsError: the operator's settings are wrong.
        """
        limits = slots.limits()
        admitted: list[tuple[Job, int]] = []
        if identity.read(self._root) != self._spool_id:
            return []  # it is away, and something else is in its place
        with self._locked():
            self._enter(entering)
            used_slots = used_mib = 0
            for entry, job, lock in self._running():
                used_slots += entry.slots
                used_mib += entry.memory_mib
                if lock is not None:
                    admitted.append((job, lock))
            for entry in self._entries(_WAITING):
                job = self._job(entry)
                if not _is_waiting(job):
                    self._remove(_WAITING, entry)
                    continue
                used_slots += entry.slots
                used_mib += entry.memory_mib
                is_alone = used_slots == entry.slots
                if not is_alone and (used_slots > limits.slots or used_mib > limits.memory_mib):
                    break
                os.rename(self._path(_WAITING, entry.name), self._path(_RUNNING, entry.name))
                admitted.append((job, self._hold(entry)))
        return admitted

    def will_begin(self, job: Job) -> bool:
        """Whether the job waits for slots, or has just been given some."""
        try:
            kinds = (_WAITING, _RUNNING)  # in the order in which it goes through them
            return _is_waiting(job) and any(files.exists(self._path(k, _name(job))) for k in kinds)
        except (FileNotFoundError, files.DamagedFileError):  # nobody can begin it
            return False

    def _enter(self, jobs: Iterable[Job]) -> None:
        ranks: dict[str, str] = {}  # the jobs of an array have one spec, which is read once
        for job in jobs:
            if job.spec_path not in ranks:
                ranks[job.spec_path] = _rank(job)
            name = f"{ranks[job.spec_path]}.{job.id}"
            if not files.exists(self._path(_RUNNING, name)):
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(self._path(_WAITING, name), flags, 0o600))

    def _running(self) -> Iterator[tuple[Entry, Job, int | None]]:
        """Each job that has slots; with a descriptor if it has to be started."""
        for entry in self._entries(_RUNNING):
            job = self._job(entry)
            lock = self._open(entry)
            if not try_lock(lock, fcntl.LOCK_EX):
                os.close(lock)
                yield entry, job, None
            elif _is_waiting(job):
                yield entry, job, lock
            else:
                os.close(lock)
                if _has_ended(job):
                    self._remove(_RUNNING, entry)
                else:
                    yield entry, job, None

    def _hold(self, entry: Entry) -> int:
        lock = self._open(entry)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _open(self, entry: Entry) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self._path(_RUNNING, entry.name), flags)

    def _entries(self, kind: str) -> Iterator[Entry]:
        for name in sorted(os.listdir(self._path(kind))):
            try:
                entry = Entry(name)
            except ValueError:  # not ours
                continue
            yield entry

    def _job(self, entry: Entry) -> Job:
        return Job.of(self._root, entry.job_id, self._spool_id)

    def _remove(self, kind: str, entry: Entry) -> None:
        files.remove(self._path(kind, entry.name))

    def _path(self, *names: str) -> str:
        return os.path.join(self._folder, *names)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        for kind in (_WAITING, _RUNNING):
            for folder in (self._folder, self._path(kind)):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        lock = os.open(self._path("lock"), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _name(job: Job) -> str:
    """The name of a job's entry: always the same, so that it can't be entered twice."""
    return f"{_rank(job)}.{job.id}"


def _rank(job: Job) -> str:
    """What a job's entry says before its id."""
    spec = job.spec()
    submitted = os.stat(job.spec_path).st_mtime_ns
    order = MOST_PRIORITY - spec.get("priority", 0)
    wanted = slots.wanted(spec)
    return f"{order:04d}.{submitted:020d}.{wanted.slots}.{wanted.memory_mib}"


def _is_waiting(job: Job) -> bool:
    """Whether the job is still to begin. One whose directory is closed has begun, and closed it.

    The directory of an array may have been closed by another of its jobs.
    """
    try:
        return job.exists() and job.is_waiting()
    except PermissionError:
        if job.index is None:
            return False
    with contextlib.suppress(FileNotFoundError):
        job.reopen()
        return job.exists() and job.is_waiting()
    return False


def _has_ended(job: Job) -> bool:
    """Whether nothing of a job whose keeper and supervisor are gone is left."""
    try:
        return not job.exists() or job.has_ended() or job.look()["state"] in ENDED
    except (OSError, files.DamagedFileError):  # nobody can run it
        return True
