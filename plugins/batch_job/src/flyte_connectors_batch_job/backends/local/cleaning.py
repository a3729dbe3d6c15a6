"""Removes old jobs; safe to run several times at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.backends.local.arrays import members
from flyte_connectors_batch_job.backends.local.queue import Queue
from flyte_connectors_batch_job.backends.local.spool import STAGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_connectors_batch_job.backends.local.job import Job
    from flyte_connectors_batch_job.backends.local.spool import Spool


def clean(spool: Spool, *, older_than: float) -> tuple[list[str], list[str]]:
    """Remove jobs that do not run any more, and remains of crashes.

    Jobs that run or wait, files and links that are not ours, and what has vanished meanwhile are passed over.

    Args:
        spool: Where.
        older_than: Seconds for which nothing must have happened to them.

    Returns:
        The ids of the jobs that were removed, and a line for each thing that could not be.

    Raises:
        OSError: the spool can't be read.
        DamagedFileError: the spool's identity can't be read.
    """
    removed, faults = [], []
    queue = Queue(spool.root, spool.id)
    latest = time.time() - older_than
    for name in list(_old(spool.root, latest)):
        try:
            if name.startswith(STAGED):
                _remove(os.path.join(spool.root, name))
            elif not name.startswith(".") and _set_aside(spool.job(name), queue, latest):
                removed.append(name)
        except OSError as error:
            faults.append(f"{name}: {error.strerror}")
    return removed, faults


def _old(root: str, latest: float) -> Iterator[str]:
    """Names of the directories that nothing has happened to since."""
    with os.scandir(root) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another is cleaning here
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) and status.st_mtime <= latest:
                    yield entry.name


def _set_aside(job: Job, queue: Queue, latest: float) -> bool:
    """Remove a job or an array, unless one runs, waits, or has changed since. False also if another has just removed it."""
    aside = os.path.join(job.root, f"{STAGED}{job.id}-{os.urandom(4).hex()}")
    try:
        job.reopen()
        array = members(job)
        if any(map(queue.will_begin, array or [job])):
            return False
        with job.guardians.kept_away() as is_unguarded:
            if not is_unguarded or not job.sweep() or not all(_is_over(one, latest) for one in array):
                return False
            os.rename(job.path, aside)  # gone at once, not by halves
    except FileNotFoundError:
        return False
    _remove(aside)
    return True


def _is_over(job: Job, latest: float) -> bool:
    """Whether nothing has happened to a job of an array since, and nothing will."""
    if os.stat(job.path).st_mtime > latest:
        return False
    job.reopen()
    if not job.was_launched():
        return True
    with job.guardians.kept_away() as is_unguarded:
        return is_unguarded and job.sweep()


def _remove(path: str) -> None:
    """Remove a directory and all in it, also what its owner has closed to itself.

    What is gone before this gets to it was removed by another, who does the same at the same time.
    """
    may_open = True
    while True:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:  # older Pythons stop there
            if not os.path.lexists(path):
                return
        except PermissionError:
            if not may_open:
                raise
            may_open = False
            _open_folders(path)
        else:
            return


def _open_folders(path: str) -> None:
    """Open all folders below a directory again for their owner."""
    for folder, names, _ in os.walk(path):
        for inner in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
