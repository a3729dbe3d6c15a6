"""The process that watches a job's supervisor, and ends the job if the supervisor dies.

The keeper is the supervisor's parent. Both adopt orphans: what the job leaves behind becomes a child
of the supervisor, and when that is killed, of the keeper. The supervisor in turn ends the job when
the keeper is killed. Each continues the other when it is stopped. They are in two sessions and share
no name, so that no single `pkill` meets both.
"""

from __future__ import annotations

import contextlib
import os
import signal

from flyte_connectors_batch_job.backends.local import (
    cgroup,
    files,
    kernel,
    launch,
    slots,
    storage_settings,
    supervisor,
    tree,
)
from flyte_connectors_batch_job.backends.local.job import Job
from flyte_connectors_batch_job.backends.local.launch import READY
from flyte_connectors_batch_job.backends.local.queue import Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "keeper"
NO_SLOT = -1
MOST_STOPS = 100


def main(path: str, launcher: int, slot: int = NO_SLOT, settings: int = storage_settings.NONE) -> None:
    """Run the job of a directory, unless some process has done so before.

    Args:
        path: The job's directory.
        launcher: Descriptor to which `READY` is written once the job has begun, or else an error message.
        slot: Descriptor that holds the job's slots for as long as it is open, if it needs any.
        settings: Descriptor to read the settings for storage from.
    """
    if os.fork():
        os._exit(0)  # the launcher reaps this one; init adopts the other
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a keeper starts this one with all blocked
    kernel.close_memory()
    kernel.adopt_orphans()
    storage = storage_settings.receive(settings)
    spool_id = os.environ[tree.GUARDIAN_MARK].partition("/")[0]
    job = Job(path, spool_id)
    try:
        lock = job.claim()
    except OSError as error:
        _tell(launcher, str(error).encode())
        return
    if lock is None:
        _tell(launcher, READY)
        _pass_on(slot, job, storage)
        return
    group = cgroup.make()
    keeper_gone, keeper_alive = os.pipe()
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        _keep_only(lock, keeper_alive, slot)
        _watch(job, pid, group)
        _pass_on(slot, job, storage)
        return
    os.close(keeper_alive)
    begun = supervisor.begin(job, lock, group, keeper)
    if isinstance(begun, OSError):
        _tell(launcher, str(begun).encode())
        return
    _tell(launcher, READY)
    supervisor.run(job, begun, group, keeper_gone, storage)
    if os.getppid() != keeper:
        _pass_on(slot, job, storage)


def _pass_on(slot: int, ended: Job, storage: Mapping[str, str]) -> None:
    """Free the slots of a job that has ended, and start the jobs whose turn it is.

    What goes wrong here is made up for by the next call that asks about one of these jobs.
    """
    if slot == NO_SLOT:
        return
    os.close(slot)
    faults = (OSError, files.DamagedFileError, slots.InvalidSlotsError)
    with contextlib.suppress(*faults):
        for job, held in Queue(ended.root, ended.spool_id).admit():
            with contextlib.suppress(OSError):
                launch.start(job, held, storage)
            os.close(held)


def _tell(launcher: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it may have been killed; the job continues
        os.write(launcher, text)
    os.close(launcher)


def _keep_only(*descriptors: int) -> None:
    """Close what else is open: the launcher waits for the end of its pipe."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    kernel.rename_process(NAME)
    first = 3
    for descriptor in sorted({*descriptors} - {NO_SLOT}):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _watch(job: Job, pid: int, group: str) -> None:
    """Wait for the supervisor's end, then end what it has left."""
    stops = 0
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        stops += 1
        os.kill(pid, signal.SIGCONT if stops <= MOST_STOPS else signal.SIGKILL)
    if os.waitstatus_to_exitcode(status) == 0:
        cgroup.remove(group)
        return
    tree.end_all(group)
    with contextlib.suppress(OSError):
        job.reopen()
    job.sweep()  # where orphans are not adopted
    cgroup.remove(group)
    if job.has_begun() and not job.has_ended():
        supervisor.record(job, job.lost())
