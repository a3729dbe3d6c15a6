"""Starts a job's command: creates its folder, and restricts its rights."""

from __future__ import annotations

import os
import resource
import subprocess

from flyte_connectors_batch_job.backends.local import cgroup, environment, kernel
from flyte_connectors_batch_job.wrapper import preparing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flyte_connectors_batch_job.backends.local.job import Job
    from flyte_connectors_batch_job.backends.local.limits import Limits

SPARE_BYTES = 1024 * 1024 * 1024
"""What a process may allocate over its job's limit: stacks and arenas that it never uses count, too."""

FOLDER = "job"
"""What is the job's own in its directory; beside it lie the supervisor's files."""


def path_of(job: Job) -> str:
    """Path of the job's own folder."""
    return job.file(FOLDER)


def make_folder(job: Job, spec: dict[str, Any]) -> int:
    """Make and fill the job's folder.

    Returns:
        A descriptor of it: the job may put another in its place.

    Raises:
        OSError: the spool can't be written.
    """
    path = path_of(job)
    os.mkdir(path, 0o700)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    preparing.make_folder(path, spec)
    return folder


def start(
    job: Job, spec: dict[str, Any], group: str, limits: Limits, secrets: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the job's command, in a new session.

    Args:
        job: The job.
        spec: What to run.
        group: The control group to run it in, or empty.
        limits: Those that the kernel keeps.
        secrets: Variables that hold secrets.

    Raises:
        OSError: the spool can't be written, or the program can't be started.
    """
    path = path_of(job)
    memory = spec.get("memory_bytes")

    def prepare() -> None:
        if group:
            cgroup.enter(group)
        limits.enter()
        if memory:
            _limit_data(memory + SPARE_BYTES)
        kernel.confine()

    return subprocess.Popen(  # noqa: S603  (to run the user's command is the whole point)
        preparing.program(path, spec),
        cwd=preparing.directory(path, spec),
        env={**environment.of_job(job, path, spec), **secrets},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,  # noqa: PLW1509  (there are no threads here)
        start_new_session=True,
    )


def _limit_data(size: int) -> None:
    """Let a process allocate no more than `size` bytes, if it may at present allocate more."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or size < most:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
