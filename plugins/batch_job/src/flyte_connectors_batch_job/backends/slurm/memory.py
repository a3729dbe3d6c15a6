"""What this process remembers of jobs, to ask and read less: everything in it can be found out again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.interface import JobState

_MOST = 100_000

WHOLE = -1
"""Stands for the index of a job's end as a whole."""


class Memory:
    """Ends of indexes of arrays, releases, and since when something is missing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: OrderedDict[tuple[str, int], JobState] = OrderedDict()
        self._released: OrderedDict[str, float] = OrderedDict()
        self._looked: OrderedDict[str, float] = OrderedDict()
        self._missing: OrderedDict[object, tuple[int, float]] = OrderedDict()

    def end_of(self, job_id: str, index: int) -> JobState | None:
        """How an index ended, if that is remembered."""
        return self._ends.get((job_id, index))

    def keep_end(self, job_id: str, index: int, state: JobState) -> None:
        """Remember how an index ended."""
        with self._lock:
            self._ends[job_id, index] = state
            _limit(self._ends)

    def note_release(self, job_id: str) -> None:
        """Remember that a job was released now."""
        with self._lock:
            self._released[job_id] = time.monotonic()
            _limit(self._released)

    def was_released_after(self, job_id: str, at: float) -> bool:
        """Whether this process has released a job after a time of the monotonic clock."""
        return self._released.get(job_id, at) > at

    def is_time_to_look(self, job_id: str, seconds: float) -> bool:
        """Whether a job was last looked at so many seconds ago; not at its first time."""
        now = time.monotonic()
        with self._lock:
            last = self._looked.setdefault(job_id, now)
            _limit(self._looked)
            if now - last < seconds:
                return False
            self._looked[job_id] = now
            return True

    def missing(self, what: object, question: int) -> tuple[bool, float]:
        """Whether something was missing in an earlier question, too; and for how many seconds it is."""
        with self._lock:
            first, since = self._missing.setdefault(what, (question, time.monotonic()))
            _limit(self._missing)
        return first < question, time.monotonic() - since

    def found(self, what: object) -> None:
        """Forget that something was missing."""
        if what in self._missing:
            with self._lock:
                self._missing.pop(what, None)


def _limit(entries: OrderedDict[Any, Any]) -> None:
    while len(entries) > _MOST:
        entries.popitem(last=False)
