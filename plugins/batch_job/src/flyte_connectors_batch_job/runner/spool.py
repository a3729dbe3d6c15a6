"""The spool: a directory that holds one directory per job.

    <spool>/               0700
      .new-<random>/       a job being written; what a crash leaves of it is never taken for a job
      <job id>/            0700, see `job`

Every process that shares the directory can submit, look at, log and cancel every job in it. A job
is there from one rename on, complete; what remains is to start its supervisor, and whoever submits
the same id again completes that too. So a crash between any two steps loses nothing, and nothing is
done twice.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING

from flyte_connectors_batch_job.runner import files
from flyte_connectors_batch_job.runner.job import Job
from flyte_connectors_batch_job.runner.launch import launch

if TYPE_CHECKING:
    from typing import Any

_STAGED = ".new-"


class JobConflictError(Exception):
    """A job's id belongs to another job."""


class Spool:
    """The jobs under one directory.

    Args:
        root: The directory, an absolute path. It is created when the first job comes.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def job(self, job_id: str) -> Job:
        """The job of this id, whether it exists or not."""
        return Job(self._path(job_id))

    def submit(self, job_id: str, spec: dict[str, Any]) -> Job:
        """Start the job of this id, unless it was started before. Returns when it has begun.

        Args:
            job_id: A file name of the caller's choice.
            spec: JSON of `command` (list) or `script` (text), `env`, `working_directory`,
                `timeout_seconds`, `grace_seconds`, `inputs` (by name), `outputs` (names) and
                `line_output` (a name or None); see `BatchJobConfig` for what they mean.

        Raises:
            JobConflictError: the job of this id does something else.
            LaunchError: the supervisor did not start.
            OSError: the spool can't be written.
        """
        job = self.job(job_id)
        if not job.exists():
            self._publish(job, spec)
        if _differ(job.spec(), json.loads(json.dumps(spec))):
            message = f"batch job '{job_id}' is there already, and does something else"
            raise JobConflictError(message)
        if job.is_waiting():
            launch(job)
        return job

    def remove(self, *, older_than: float) -> list[str]:
        """Remove jobs that nobody runs any more, and remains of crashes.

        Args:
            older_than: Seconds for which nothing must have happened to them.

        Returns:
            The ids of the removed jobs.
        """
        latest = time.time() - older_than
        with os.scandir(self.root) as entries:
            old = [entry.name for entry in entries if entry.stat().st_mtime <= latest]
        jobs = [name for name in old if _is_ended(self.job(name))]
        for name in jobs:
            os.rename(self._path(name), self._path(_STAGED + name))  # gone at once, not by halves
        remains = [name for name in old if name.startswith(_STAGED)]
        for name in remains + [_STAGED + name for name in jobs]:
            shutil.rmtree(self._path(name), ignore_errors=True)
        return jobs

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def _publish(self, job: Job, spec: dict[str, Any]) -> None:
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        staged = tempfile.mkdtemp(prefix=_STAGED, dir=self.root)
        try:
            files.write_json(os.path.join(staged, "spec.json"), spec)
            with _unless_taken():
                os.rename(staged, job.path)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        files.sync_directory(self.root)


def _differ(written: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two specs ask for different jobs, by what releases of different age both say."""
    return any(written[name] != wanted[name] for name in written.keys() & wanted.keys())


def _is_ended(job: Job) -> bool:
    is_job = not job.id.startswith(_STAGED) and os.path.exists(job.file("spec.json"))
    return is_job and not job.is_supervised()


@contextlib.contextmanager
def _unless_taken() -> Any:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # rename(2): another was first
            raise
