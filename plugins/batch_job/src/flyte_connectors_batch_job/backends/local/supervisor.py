"""The process that runs one job, from its claim to its outcome.

It fetches the job's files, starts its command, ends all that the command leaves, stores its outputs, and only
then writes the outcome.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time

from flyte_connectors_batch_job.backends.local import (
    cgroup,
    command,
    job_secrets,
    kernel,
    limits,
    outputs,
    tree,
)
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local.log import LogWriter
from flyte_connectors_batch_job.backends.local.records import Records
from flyte_connectors_batch_job.backends.local.watch import Watch, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job

RETRY_SECONDS = 1.0


def begin(job: Job, lock: int, group: str, keeper: int) -> Records | OSError:
    """Make this process the job's supervisor, and write that down.

    Args:
        job: The job.
        lock: Descriptor of the lock that the keeper has taken.
        group: The job's control group, or empty.
        keeper: The keeper's process id.

    Returns:
        What was written down, or why that failed.
    """
    os.setsid()
    kernel.adopt_orphans()
    signal.signal(signal.SIGUSR1, lambda *_: None)  # a cancellation may come at once
    records = Records(job, lock, group, keeper)
    try:
        records.begin()
    except OSError as error:
        return error
    return records


def run(job: Job, records: Records, group: str, keeper_gone: int, storage: Mapping[str, str]) -> None:
    """Run the job to its end.

    Args:
        job: The job.
        records: What was written down at its beginning.
        group: The job's control group, or empty.
        keeper_gone: Descriptor that ends when the keeper does.
        storage: Variables for the process that copies the job's files, and for no other.
    """
    outcome = _run(job, records, group, keeper_gone, storage)
    tree.end_all(group)
    cgroup.remove(group)
    record(job, outcome)


def record(job: Job, outcome: dict[str, Any]) -> None:
    """Write the outcome, as soon as the spool can be written: the result is not lost."""
    while True:
        try:
            job.end(outcome)
        except OSError:  # full, read-only or unavailable for a while
            if job.is_removed():
                return
            time.sleep(RETRY_SECONDS)
            with contextlib.suppress(OSError):
                job.reopen()
        else:
            return


def _run(job: Job, records: Records, group: str, keeper_gone: int, storage: Mapping[str, str]) -> dict[str, Any]:
    if job.is_cancelled():
        return {"state": states.ABORTED}
    spec = _of_index(job.spec(), job.index)
    try:
        log = LogWriter(job.file("log"))  # before the job can close the directory
        folder = command.make_folder(job, spec)
        secrets = job_secrets.values(spec.get("secrets", {}), storage)
        watch = Watch(job, spec, records, log, keeper_gone, job_secrets.mask_of(secrets))
        if not spec.get("files"):
            return _commanded(watch, job, spec, group, records, secrets) or _collected(watch, spec, folder)
        from flyte_connectors_batch_job.backends.local.transfers import (
            Transfers,
        )  # few jobs have files

        transfers = Transfers(watch, spec["files"], command.path_of(job), folder, storage)
        return (
            transfers.fetch()
            or _commanded(watch, job, spec, group, records, secrets)
            or transfers.store(_collected(watch, spec, folder))
        )
    except job_secrets.MissingSecretError as error:
        return failed(str(error))
    except OSError as error:
        message = f"can't start {error.filename or 'the job'}: {error.strerror}"
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return {"state": states.LOST, "message": message} if is_full else failed(message)


def _of_index(spec: dict[str, Any], index: int | None) -> dict[str, Any]:
    """The spec of one job of an array: the files of its outputs have a separate place."""
    if index is None or not spec.get("files"):
        return spec
    return {**spec, "files": {**spec["files"], "prefix": f"{spec['files']['prefix']}/{index}"}}


def _commanded(  # noqa: PLR0913, PLR0917  (all that a supervisor has)
    watch: Watch,
    job: Job,
    spec: dict[str, Any],
    group: str,
    records: Records,
    secrets: Mapping[str, str],
) -> dict[str, Any] | None:
    """Run the command to its end. Returns how the job has ended, or None if the command ended well."""
    kept = limits.Limits(group, spec)
    try:
        records.note_limits(kept.groups)
        return watch.command(command.start(job, spec, group, kept, secrets), group, kept)
    finally:
        limits.remove(kept.groups)


def _collected(watch: Watch, spec: dict[str, Any], folder: int) -> dict[str, Any]:
    """How a command that ended well has ended, by its outputs."""
    stored = spec["files"]["outputs"] if spec.get("files") else ()
    try:
        results = outputs.collect(folder, spec["outputs"], spec["line_output"], watch.last_line, stored)
    except outputs.OutputsError as error:
        return failed(str(error))
    return {"state": states.SUCCEEDED, "outputs": results}
