"""One job's directory, and the state that its files make.

    spec.json        what to run; complete from the first moment, never changed
    supervisor.lock  flock held by the supervisor for as long as it lives
    begun.json       written once, under the lock: the job has been started
    outcome.json     written once, by whoever is first: how the job ended
    usage.json       CPU, wall time and memory so far
    log              see `log`
    inputs.json, outputs.json, script, work/
                     the job's own

    begun  outcome  lock     state
    no     no       any      QUEUED     submitted; its supervisor is about to start
    yes    no       held     RUNNING
    yes    no       free     LOST       the supervisor vanished: reboot, kill -9
    any    yes      any      what the outcome says

Liveness is a lock and not a process id, because ids are reused and mean nothing in another
container, while the kernel drops a lock in the very moment its holder dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from flyte_connectors_batch_job.runner import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
ABORTED = "aborted"
LOST = "lost"

_LOST = {
    "state": LOST,
    "message": "the job's supervisor vanished, for example by a reboot or kill -9",
}
_CLAIM_RETRY_SECONDS = 0.005


class Job:
    """A job in the spool, as any process sees it.

    Args:
        path: The job's directory. Its name is the job's id.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The job's id, unique in its spool."""
        return os.path.basename(self.path)

    def file(self, name: str) -> str:
        """Path of one of the files listed above."""
        return os.path.join(self.path, name)

    def exists(self) -> bool:
        """Whether the job was submitted and not cleaned away."""
        return files.exists(self.path)

    def spec(self) -> dict[str, Any]:
        """What to run, as it was submitted. Raises FileNotFoundError if the job is gone."""
        spec = files.read_json(self.file("spec.json"))
        if spec is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        return spec

    def usage(self) -> dict[str, float]:
        """`cpu_seconds`, `wall_seconds` and `peak_memory_bytes`; empty before the first reading."""
        return files.read_json(self.file("usage.json")) or {}

    def state(self) -> dict[str, Any]:
        """The state, and with it `message`, `outputs` and `exit_code` where there are any."""
        outcome = self.outcome()
        if outcome is not None:
            return outcome
        if not self._has_begun():
            return {"state": QUEUED}
        if self.is_supervised():
            return {"state": RUNNING}
        # The supervisor may have written its outcome between the first look and the lock's.
        return self.outcome() or _LOST

    def outcome(self) -> dict[str, Any] | None:
        """How the job ended, or None if nobody has said so yet."""
        return files.read_json(self.file("outcome.json"))

    def may_log(self) -> bool:
        """Whether lines may still come. An aborted job has its grace time for some last ones."""
        outcome = self.outcome()
        if outcome is not None and outcome["state"] != ABORTED:
            return False
        return self.is_waiting() or self.is_supervised()

    def is_waiting(self) -> bool:
        """Whether the job still needs a supervisor to begin it."""
        return not self._has_begun() and not files.exists(self.file("outcome.json"))

    def is_supervised(self) -> bool:
        """Whether the job's supervisor is alive."""
        try:
            lock = os.open(self.file("supervisor.lock"), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def settle(self, outcome: dict[str, Any]) -> bool:
        """Say how the job ended. False if that had been said before; the first word stands."""
        return files.write_json_once(self.file("outcome.json"), outcome)

    def cancel(self) -> None:
        """End the job as ABORTED, unless it has ended. Its supervisor sees that and stops it."""
        lost = self._has_begun() and not self.is_supervised()
        self.settle(_LOST if lost else {"state": ABORTED})

    def claim(self) -> bool:
        """Begin the job in this process, and hold its lock until the process ends.

        Returns:
            Whether the job is this process's to run. Of any number of claims, ever, one is.
        """
        lock = os.open(self.file("supervisor.lock"), os.O_RDWR | os.O_CREAT, 0o600)  # stays open
        while self.is_waiting():
            if _try_lock(lock, fcntl.LOCK_EX):
                break
            # The holder is beginning the job, or died before it did, or is only looking.
            time.sleep(_CLAIM_RETRY_SECONDS)
        if not self.is_waiting():
            os.close(lock)
            return False
        files.write_json(self.file("begun.json"), {"at": time.time(), "supervisor": os.getpid()})
        return True

    def _has_begun(self) -> bool:
        return files.exists(self.file("begun.json"))


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
