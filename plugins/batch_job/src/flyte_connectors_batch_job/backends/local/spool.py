"""The spool: a directory that holds one directory per job.

    <spool>/               0700
      .spool.json          the spool's identity, see `identity`
      .queue/              who runs and who waits, see `queue`
      .new-<random>/       a job being written; after a crash it is never taken for a job
      <job id>/            0700, see `job`, and of an array `arrays`

Every process that shares the directory can submit, look at, log and cancel every job in it. A job
is there from one rename on, complete; what remains is to start its supervisor, which a repeated submission of
the same id does too. So a crash between any two steps loses nothing, and nothing is
done twice.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.backends.local import files, identity
from flyte_connectors_batch_job.backends.local.arrays import jobs_of, kept, make_folders
from flyte_connectors_batch_job.backends.local.job import Job
from flyte_connectors_batch_job.backends.local.turns import go_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

STAGED = ".new-"


class JobConflictError(Exception):
    """A job's id belongs to another job."""


class Spool:
    """The jobs under one directory.

    Args:
        root: The directory, an absolute path. It is created when the first job comes.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    @functools.cached_property
    def id(self) -> str:
        """The spool's identity; empty if there is no spool here, or one of an older release.

        Raises:
            DamagedFileError: the file that holds it can't be read.
        """
        return identity.read(self.root)

    def job(self, job_id: str) -> Job:
        """The job of this id, whether it exists or not."""
        return Job.of(self.root, job_id, self.id)

    def submit(self, job_id: str, spec: dict[str, Any]) -> Job:
        """Have the job, or array, of this id run, unless it has. Returns when it has begun, or waits for slots.

        Args:
            job_id: A file name of the caller's choice.
            spec: JSON of `command` (list) or `script` (text), `env`, `working_directory`,
                `timeout_seconds`, `grace_seconds`, `inputs` (by name), `outputs` (names) and
                `line_output` (a name or None); perhaps of `cpu`, `memory_bytes`, `priority`,
                `retry_exit_codes` and `array`; see `BatchJobConfig` for what they mean.

        Raises:
            JobConflictError: the job of this id does something else.
            LaunchError: the supervisor did not start.
            DamagedFileError: the spool's identity can't be read.
            OSError: the spool can't be written.
        """
        if not self.id:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            self.id = identity.ensure(self.root)
        job = self.job(job_id)
        if not job.exists():
            self._publish(job, spec)
        size = spec.get("array")
        if size:
            job.reopen()  # one of its jobs may have closed it
        members = jobs_of(job, size) if size else [job]
        if _differ(_written(job, members), json.loads(json.dumps(spec))):
            message = f"batch job '{job_id}' exists already and runs something else"
            raise JobConflictError(message)
        with kept(job) if size else contextlib.nullcontext():
            waiting = [member for member in members if member.is_waiting()]
            if waiting:
                go_on(self.root, self.id, waiting)
        return job

    def _publish(self, job: Job, spec: dict[str, Any]) -> None:
        staged = tempfile.mkdtemp(prefix=STAGED, dir=self.root)
        try:
            make_folders(staged, job.id, spec.get("array") or 0)
            files.write_json(os.path.join(staged, "spec.json"), spec)
            with _unless_taken():
                os.rename(staged, job.path)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        files.sync_directory(self.root)


def _written(job: Job, members: Iterable[Job]) -> dict[str, Any]:
    """The spec of a job that exists. One that has begun, or a member of an array, may have removed or damaged it."""
    try:
        return job.spec()
    except (FileNotFoundError, files.DamagedFileError):
        if not any(member.has_begun() for member in members):
            raise
        return {}


def _differ(written: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two specs ask for different jobs, by what releases of different age both say."""
    is_other_array = bool(written) and written.get("array") != wanted.get("array")
    return is_other_array or any(written[name] != wanted[name] for name in written.keys() & wanted.keys())


@contextlib.contextmanager
def _unless_taken() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # rename(2): another was first
            raise
