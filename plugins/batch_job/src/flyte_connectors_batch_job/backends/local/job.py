"""One job's directory, and the state that its files make.

    spec.json        what to run; complete from the first moment, never changed
    supervisor.lock  flock held by keeper and supervisor for as long as either lives
    begun.json       written once, under the lock: the job has been started, by whom and where
    running.json     the job's processes; there until none of them is alive
    supervisor.err   what keeper and supervisor print, made before they start
    cancel.json      the job is to be cancelled
    outcome.json     how the job ended; written when none of its processes is alive
    usage.json       CPU, wall time and memory so far
    log              see `log`
    job/             the job's own: inputs.json, outputs.json, script, work/

The jobs of an array lie in its directory, and share its spec.json and its cancel.json, see `arrays`.

    guarded  begun  state
    yes      no     QUEUED     its supervisor is about to begin it
    yes      yes    RUNNING    whatever else is there: what the job writes itself does not count
    no       no     QUEUED     or ABORTED, if it is to be cancelled
    no       yes    what outcome.json says, if running.json is gone; else supervisor and keeper were
                    killed: LOST (or ABORTED), once the job's processes have been killed, too

A job is guarded while its supervisor or keeper lives, see `guardians`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time

from flyte_connectors_batch_job.backends.local import files, identity, processes, tree
from flyte_connectors_batch_job.backends.local.guardians import BEGUN, Guardians, try_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
ABORTED = "aborted"
LOST = "lost"  # also if the job asks to be tried again
ENDED = (SUCCEEDED, FAILED, ABORTED, LOST)

LOST_MESSAGE = "the job's supervisor vanished, for example by a reboot or kill -9"
CANCELLING = "being cancelled"
METRICS = ("cpu_seconds", "wall_seconds", "peak_memory_bytes")

AWAY_SECONDS = 60.0
"""For so long a spool may be away, for example while it is mounted again or renamed."""

_MODE = 0o700
_CLAIM_RETRY_SECONDS = 0.005


class Job:
    """A job in the spool, as any process sees it.

    Args:
        path: The job's directory. Its name is the job's id.
        spool_id: Identity of the spool; empty if that has none yet.

    Attributes:
        guardians: Its keeper and supervisor.
        id: The job's id, unique in its spool.
        key: The id that it was submitted by: its own, or its array's.
        index: Its index in its array; None if it is in none.
        root: The spool's directory.
        spool_id: As given.
    """

    def __init__(self, path: str, spool_id: str = "") -> None:
        self.path = path
        self.guardians = Guardians(path)
        self.spool_id = spool_id
        self._away_since: float | None = None
        self.root, self.id = os.path.split(path)
        self.key, _, index = self.id.partition(".")
        self._array = self.root if index.isdecimal() and os.path.basename(self.root) == self.key else ""
        self.index = int(index) if self._array else None
        if self._array:
            self.root = os.path.dirname(self._array)
        else:
            self.key = self.id

    @classmethod
    def of(cls, root: str, job_id: str, spool_id: str) -> Job:
        """The job of an id in the spool of a directory, whether it exists or not."""
        key, _, index = job_id.partition(".")
        folder = os.path.join(root, key) if key and index.isdecimal() else root
        return cls(os.path.join(folder, job_id), spool_id)

    @property
    def spec_path(self) -> str:
        """The file that says what to run."""
        return os.path.join(self._array or self.path, "spec.json")

    @property
    def mark(self) -> str:
        """The mark in the environment of the job's processes; empty if there is none."""
        return f"{self.spool_id}/{self.id}" if self.spool_id else ""

    def file(self, name: str) -> str:
        """Path of one of the files listed above."""
        return os.path.join(self.path, name)

    def exists(self) -> bool:
        """Whether the job was submitted and not removed."""
        return files.exists(self.path)

    def is_removed(self) -> bool:
        """Whether the job was removed; not if the whole spool is unavailable.

        A spool that stays away for `AWAY_SECONDS`, as this object sees it, was removed with all its jobs.
        """
        if not files.exists(self.root):
            now = time.monotonic()
            if self._away_since is None:
                self._away_since = now
            return now - self._away_since >= AWAY_SECONDS
        self._away_since = None
        try:
            # Looked for twice: the spool may go and come in between.
            is_there = self.exists() or identity.read(self.root) != self.spool_id or self.exists()
        except files.DamagedFileError:
            return False
        return not is_there

    def spec(self) -> dict[str, Any]:
        """What to run, as it was submitted.

        Raises:
            FileNotFoundError: the job is gone.
            DamagedFileError: the file was changed.
        """
        spec = files.read_json(self.spec_path)
        if spec is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        return spec

    def usage(self) -> dict[str, float]:
        """`at` and each of `METRICS`; empty before the first reading."""
        usage = files.read_json_if_sound(self.file("usage.json"))
        are_numbers = all(_is_number(usage.get(name)) for name in ("at", *METRICS))
        return usage if are_numbers else {}

    def look(self) -> dict[str, Any]:
        """The state, and with it `message` and `outputs` where there are any; without a look at the queue.

        A job that has lost its supervisor and keeper is ended here, processes and all.
        """
        try:
            return self._state()
        except PermissionError:
            self.reopen()
            return self._state()

    def reopen(self) -> None:
        """Open the directory again for its owner, if the job has closed it."""
        for path in filter(None, (self._array, self.path)):
            if stat.S_IMODE(os.stat(path).st_mode) != _MODE:
                os.chmod(path, _MODE)

    def may_log(self) -> bool:
        """Whether lines may still come."""
        return self.is_guarded() or self.is_waiting()

    def is_waiting(self) -> bool:
        """Whether the job still needs a supervisor to begin it."""
        names = (BEGUN, "outcome.json")
        return not (any(files.exists(self.file(name)) for name in names) or self.is_cancelled())

    def was_launched(self) -> bool:
        """Whether a keeper may have been started for it."""
        return files.exists(self.file("supervisor.err"))

    def has_begun(self) -> bool:
        """Whether the job has been started."""
        return files.exists(self.file(BEGUN))

    def is_cancelled(self) -> bool:
        """Whether the job is to be cancelled."""
        folders = filter(None, (self.path, self._array))
        return any(files.exists(os.path.join(folder, "cancel.json")) for folder in folders)

    def is_guarded(self) -> bool:
        """Whether the job's supervisor or keeper is alive."""
        return self.guardians.are_alive()

    def record_cancellation(self) -> None:
        """Have the job cancelled. Returns when that is on the disk."""
        try:
            files.write_json(self.file("cancel.json"), {"at": time.time()})
        finally:  # also if the disk is full: perhaps the job has filled it
            is_told = self.guardians.tell_of_cancellation()
        if not is_told and self.has_begun():
            # What supervisors of version 0.1.0 look for; others pass over it.
            files.write_json_once(self.file("outcome.json"), {"state": ABORTED})

    def claim(self) -> int | None:
        """Take the job's lock, for this process and those that it forks from now on.

        Returns:
            The lock's descriptor, if the job is this process's to begin: of any number of claims,
            ever, one is.
        """
        lock = self.guardians.open_lock()
        while self.is_waiting():
            if try_lock(lock, fcntl.LOCK_EX):
                break
            # The holder is beginning the job, or died before it did, or is only looking.
            time.sleep(_CLAIM_RETRY_SECONDS)
        if self.is_waiting():
            return lock
        os.close(lock)
        return None

    def end(self, outcome: dict[str, Any]) -> None:
        """Record how the job ended; called when none of its processes is alive.

        Whatever stands there was written by the job, and goes.
        """
        running = self.file("running.json")
        if files.exists(running):
            files.remove(self.file("outcome.json"))
            files.remove(running)
        files.write_json(self.file("outcome.json"), outcome)

    def has_ended(self) -> bool:
        """Whether its supervisor has recorded how the job ended."""
        return self._outcome() is not None

    def lost(self) -> dict[str, Any]:
        """The outcome of a job that has lost its supervisor."""
        if self.is_cancelled():
            return {"state": ABORTED}
        return {"state": LOST, "message": LOST_MESSAGE}

    def _state(self) -> dict[str, Any]:
        if self.guardians.are_alive(wake=True):
            state = {"state": RUNNING if self.has_begun() else QUEUED}
            return {**state, "message": CANCELLING} if self.is_cancelled() else state
        return self._outcome() or self._end_if_lost()

    def _outcome(self) -> dict[str, Any] | None:
        """How the job ended, or None if its supervisor has not recorded that."""
        if files.exists(self.file("running.json")):
            return None  # who ends a job removes this
        try:
            outcome = files.read_json(self.file("outcome.json"))
        except files.DamagedFileError as error:
            return {"state": FAILED, "message": f"the job's outcome.json {error}"}
        return outcome if outcome is None or _is_outcome(outcome) else _UNKNOWN

    def _end_if_lost(self) -> dict[str, Any]:
        if not self.has_begun() and not self.is_cancelled():
            return {"state": QUEUED}
        with self.guardians.kept_away() as is_unguarded:
            # Perhaps it is only now being begun; or its supervisor has just said how it ended.
            if not is_unguarded:
                return {"state": RUNNING if self.has_begun() else QUEUED}
            ended = self._outcome()
            if ended:
                return ended
            if not self.has_begun() and not self.was_launched():
                return self.lost()  # there is nothing to end
            if not self.sweep():
                return {"state": RUNNING, "message": "its last processes are being killed"}
            outcome = self.lost()
            with contextlib.suppress(OSError):  # full or read-only: the next look says it again
                self.end(outcome)
            return outcome

    def sweep(self) -> bool:
        """Kill the processes of a job without keeper and supervisor. Returns whether none is left."""
        record = files.read_json_if_sound(self.file("running.json"))
        return tree.sweep(self.mark, record if record.get("host") == processes.host() else {})


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < float("inf")


def _is_outcome(content: dict[str, Any]) -> bool:
    """Whether it has the form that `end` writes."""
    message, outputs = content.get("message"), content.get("outputs")
    has_form = isinstance(message, (str, type(None))) and isinstance(outputs, (dict, type(None)))
    return has_form and content.get("state") in ENDED


_UNKNOWN = {"state": FAILED, "message": "the job's outcome.json does not hold an outcome"}
