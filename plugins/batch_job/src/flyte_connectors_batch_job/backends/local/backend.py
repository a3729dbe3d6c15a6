"""The local back end as the connector sees it: each method in a few lines over the spool."""

from __future__ import annotations

import contextlib
import fcntl
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    InvalidResourceMetaError,
    JobNotFoundError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from flyte_connectors_functions.call import REPORT
from flyte_connectors_functions.reports import TAIL_BYTES

from flyte_connectors_batch_job import quantities
from flyte_connectors_batch_job.backends import modules
from flyte_connectors_batch_job.backends.interface import GRACE_SECONDS, JobState, each
from flyte_connectors_batch_job.backends.local import (
    files,
    job_secrets,
    pages,
    slots,
    storage_settings,
    turns,
)
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local.arrays import MOST_JOBS, Array
from flyte_connectors_batch_job.backends.local.command import path_of
from flyte_connectors_batch_job.backends.local.files import DamagedFileError
from flyte_connectors_batch_job.backends.local.launch import LaunchError
from flyte_connectors_batch_job.backends.local.spool import JobConflictError, Spool
from flyte_connectors_batch_job.settings import (
    RETIRED_VARIABLE,
    SPOOL_VARIABLE,
    file_limit,
    retired_spools,
    spool_directory,
)
from flyte_connectors_batch_job.wrapper.packing import spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyte_connectors_batch_job.backends.interface import JobKey, JobRequest, Link, LogRecord
    from flyte_connectors_batch_job.backends.local.job import Job

WAITING = "waiting for slots"
MOUNTED_SECONDS = 30.0
"""In which a spool may come to be mounted here: longer than a call, which so is answered at once."""

_HANDLE = re.compile(r"(\w*)(?:\[([1-9][0-9]{0,5})\])?")
_PHASES = {
    states.QUEUED: Phase.QUEUED,
    states.RUNNING: Phase.RUNNING,
    states.SUCCEEDED: Phase.SUCCEEDED,
    states.FAILED: Phase.FAILED,
    states.ABORTED: Phase.ABORTED,
    states.LOST: Phase.RETRYABLE_FAILED,
}


class LocalBackend:
    """Jobs as processes on this machine.

    Their handle is the id of their spool, with the size of an array: `5f0c` or `5f0c[200]`.
    """

    name: ClassVar[str] = "local"
    abilities: ClassVar[frozenset[str]] = frozenset(
        {
            "array",
            "env",
            "working_directory",
            "cpu",
            "memory",
            "priority",
            "retry_exit_codes",
            "files",
            "secrets",
        }
    )

    def check_connection(self) -> str:
        """What there is for jobs, once a file could be written to the spool."""
        with _spool() as spool:
            Path(spool.root).mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=spool.root) as file:
                file.write(b"x")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            amount = slots.limits()
            return f"spool {spool.root}, {amount.slots} slots, {amount.memory_mib} MiB for jobs"

    def submit(self, job_id: str, request: JobRequest, secrets: Mapping[str, str]) -> str:  # noqa: ARG002
        """Have the job run; return once it has begun, or waits for slots."""
        spec = _spec(request)
        with _spool() as spool:
            if not spool.job(job_id).exists():
                _check_directory(spec["working_directory"])
                _check_size(spec)
                _check_array(request.config.array)
                _check_secrets(request.config.secrets)
                modules.check(request.config)
                file_limit()  # a wrong setting is told to who submits
            try:
                spool.submit(job_id, spec)
            except JobConflictError as error:
                raise ConflictError(str(error)) from error
            size = request.config.array
            return spool.id if size is None else f"{spool.id}[{size}]"

    def states(self, jobs: Sequence[JobKey]) -> list[JobState | Exception]:
        """How each job is, by its files."""
        return each(_state, jobs)

    def cancel(self, job_id: str, handle: str) -> None:
        """Have the job's supervisor end it."""
        with _existing_job(job_id, handle) as job:
            job.cancel() if isinstance(job, Array) else turns.cancel(job)

    def log(self, job_id: str, handle: str, token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
        """One page of the log, see `pages`."""
        with _existing_job(job_id, handle) as job:
            if isinstance(job, Array):
                yield from pages.page_of_array(job.jobs, token, lines)
            else:
                yield from pages.page(job, token, lines)

    def usage(self, job_id: str, handle: str) -> Mapping[str, float]:
        """The latest reading of the job's supervisor, or of an array's."""
        with _existing_job(job_id, handle) as job:
            return job.usage()

    def reported(self, job_id: str, handle: str) -> bytes:
        """The end of what the job's function has reported."""
        with _existing_job(job_id, handle) as job, contextlib.suppress(OSError):
            if not isinstance(job, Array):
                return files.read_end(path_of(job), REPORT, TAIL_BYTES)
        return b""

    def links(self, job_id: str, handle: str) -> Sequence[Link]:  # noqa: ARG002
        """None: there are no pages on this machine."""
        return ()


def _state(key: JobKey) -> JobState:
    with _existing_job(*key) as job:
        if isinstance(job, Array):
            return job.state([_told(state) for state in turns.states_of(job.jobs)])
        return _told(turns.state_of(job))


def _told(state: dict[str, Any]) -> JobState:
    if state["state"] == states.QUEUED:
        return JobState(Phase.QUEUED, state.get("message", WAITING))
    return JobState(_PHASES[state["state"]], state.get("message"), state.get("outputs"))


def _spec(request: JobRequest) -> dict[str, Any]:
    config = request.config
    return {
        **spec_of(request),
        "timeout_seconds": config.timeout_seconds,
        "grace_seconds": GRACE_SECONDS,
        "cpu": config.cpu_count,
        "memory_bytes": config.memory_bytes,
        "priority": config.priority,
        **({"array": config.array} if config.array else {}),
        **({"secrets": dict(config.secrets)} if config.secrets else {}),
    }


def _check_secrets(names: Mapping[str, str]) -> None:
    for variable, name in names.items():
        try:
            job_secrets.values({variable: name}, storage_settings.of_environment())
        except job_secrets.MissingSecretError as error:
            raise InvalidRequestError(str(error), field=f"custom.secrets.{variable}") from error


def _check_directory(path: str | None) -> None:
    if path is not None and not Path(path).is_dir():
        message = f"{path!r} must be a directory on the service's machine"
        raise InvalidRequestError(message, field="custom.working_directory")


def _check_size(spec: dict[str, Any]) -> None:
    """Refuse a job that would wait for ever."""
    wanted, limits = slots.wanted(spec), slots.limits()
    if wanted.slots > limits.slots:
        message = f"{spec['cpu']:g} is more than there is: {limits.slots} ({slots.SLOTS_VARIABLE})"
        raise InvalidRequestError(message, field="custom.cpu")
    if wanted.memory_mib > limits.memory_mib:
        asked = quantities.readable(spec["memory_bytes"])
        there = f"{limits.memory_mib}Mi ({slots.MEMORY_VARIABLE})"
        raise InvalidRequestError(f"{asked} is more than there is: {there}", field="custom.memory")


def _check_array(size: int | None) -> None:
    if size is not None and size > MOST_JOBS:
        message = f"{size} is more than the {MOST_JOBS} jobs that an array may have on this back end"
        raise InvalidRequestError(message, field="custom.array")


@contextlib.contextmanager
def _spool() -> Iterator[Spool]:
    """The spool; its exceptions become errors of Flyte."""
    directory = spool_directory()
    try:
        yield Spool(directory)
    except PermissionError as error:
        message = f"no access to the spool {directory} ({SPOOL_VARIABLE}): {error.strerror}"
        raise PermissionDeniedError(message) from error
    except slots.InvalidSlotsError as error:
        raise ServiceUnavailableError(str(error)) from error
    except (OSError, LaunchError, DamagedFileError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"the spool {directory} ({SPOOL_VARIABLE}) can't be used now: {reason}"
        may_begin = isinstance(error, LaunchError)
        raise ServiceUnavailableError(message, outcome_unknown=may_begin) from error


@contextlib.contextmanager
def _existing_job(job_id: str, handle: str) -> Iterator[Job | Array]:
    match = _HANDLE.fullmatch(handle)
    if match is None:
        message = f"its spool_id '{handle[:40]}' is not one of a job here"
        raise InvalidResourceMetaError(message, field="resource_meta")
    spool_id, size = match.groups()
    if spool_id in retired_spools():
        message = f"batch job '{job_id}' was in spool {spool_id}, which is retired"
        raise JobNotFoundError(message)
    with _spool() as spool:
        if spool_id not in ("", spool.id):
            raise _not_here(job_id, spool_id, spool)
        job = spool.job(job_id)
        found = job if size is None else Array(job, int(size))
        if not job.exists():
            raise _gone(found, f"batch job '{job_id}'", spool)
        if isinstance(found, Array):
            job.reopen()  # one of its jobs may have closed it
            for member in found.jobs:
                if not member.exists():
                    raise _gone(member, f"index {member.index} of batch job '{job_id}'", spool)
        yield found


def _gone(job: Job | Array, what: str, spool: Spool) -> JobNotFoundError | ServiceUnavailableError:
    if job.sweep():
        return JobNotFoundError(f"{what} is not in the spool {spool.root}")
    return ServiceUnavailableError(f"{what} was removed; its processes are being killed")


def _not_here(job_id: str, spool_id: str, spool: Spool) -> ServiceUnavailableError:
    error = ServiceUnavailableError(
        f"batch job '{job_id}' is in spool {spool_id}, which is not mounted on this replica "
        f"at {spool.root} ({SPOOL_VARIABLE}); if that spool was deleted, list it in {RETIRED_VARIABLE}"
    )
    error.retry_after = MOUNTED_SECONDS
    return error
