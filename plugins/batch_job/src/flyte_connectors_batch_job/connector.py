"""The connector: each verb in a few lines over the spool.

All verbs are plain functions: they touch files, so the core runs them in its threads.
"""
# The arguments of the verbs are the contract's, used or not.
# ruff: noqa: ARG002

from __future__ import annotations

import contextlib
import dataclasses
import re
import uuid
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors.errors import (
    ConflictError,
    InvalidResourceMetaError,
    JobNotFoundError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from flyteidl2.core.types_pb2 import SimpleType

from flyte_connectors_batch_job import log_pages, metrics
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local.files import DamagedFileError
from flyte_connectors_batch_job.backends.local.launch import LaunchError
from flyte_connectors_batch_job.backends.local.spool import JobConflictError, Spool
from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.inputs import to_json
from flyte_connectors_batch_job.settings import (
    RETIRED_VARIABLE,
    SPOOL_VARIABLE,
    retired_spools,
    spool_directory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_batch_job.backends.local.job import Job

DEFAULT_SCRIPT = 'echo "output-from-$BATCH_JOB_ID"\n'
GRACE_SECONDS = 5.0

_PHASES = {
    states.QUEUED: Phase.QUEUED,
    states.RUNNING: Phase.RUNNING,
    states.SUCCEEDED: Phase.SUCCEEDED,
    states.FAILED: Phase.FAILED,
    states.ABORTED: Phase.ABORTED,
    states.LOST: Phase.RETRYABLE_FAILED,
}
_JOB_ID = re.compile(r"[a-z0-9-]{1,63}")


@dataclasses.dataclass
class BatchJobMetadata(ResourceMeta):
    """What identifies a batch job.

    Args:
        job_id: Its id, the name of its directory in the spool.
        spool_id: Identity of the spool that it is in; empty in metas of version 0.1.0.
    """

    job_id: str
    spool_id: str = ""


class BatchJobConnector(AsyncConnector[BatchJobMetadata]):
    """Runs task type `batch_job`: commands and scripts on the machine of the service.

    Its state is in the spool alone. The idempotency key is the job's id.
    """

    name = "Batch Job Connector"
    task_type_name = "batch_job"
    task_type_version = 0
    metadata_type = BatchJobMetadata
    shared_directory_variable = SPOOL_VARIABLE
    jobs_run_as_service_user = True

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str | None = None,
        **kwargs: Any,
    ) -> BatchJobMetadata:
        """Start the job of this key; return once it has begun."""
        spec = _spec(task_template, inputs)
        job_id = idempotency_key or f"job-{uuid.uuid4().hex}"  # a foreign service may send no key
        with _spool() as spool:
            try:
                spool.submit(job_id, spec)
            except JobConflictError as error:
                raise ConflictError(str(error)) from error
            return BatchJobMetadata(job_id, spool.id)

    def get(self, resource_meta: BatchJobMetadata, **kwargs: Any) -> Resource:
        """The job's state."""
        with _existing_job(resource_meta) as job:
            state = job.state()
        return Resource(
            phase=_PHASES[state["state"]],
            message=state.get("message"),
            outputs=state.get("outputs"),
        )

    def delete(self, resource_meta: BatchJobMetadata, **kwargs: Any) -> None:
        """Cancel the job; return once that is recorded. Its supervisor ends it within the grace time."""
        with _existing_job(resource_meta) as job:
            job.cancel()

    def get_logs(
        self,
        resource_meta: BatchJobMetadata,
        token: str = "",
        lines: int = 0,
        **kwargs: Any,
    ) -> Iterator[GetTaskLogsResponse]:
        """One page of the job's log."""
        with _existing_job(resource_meta) as job:
            yield from log_pages.page(job, token, lines)

    def get_metrics(
        self,
        resource_meta: BatchJobMetadata,
        queries: Sequence[str] = (),
        **kwargs: Any,
    ) -> GetTaskMetricsResponse:
        """CPU seconds, wall seconds and peak memory so far."""
        with _existing_job(resource_meta) as job:
            return metrics.of_job(job, queries)


def _spec(task_template: TaskTemplate, inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    config = BatchJobConfig.from_custom(task_template.custom)
    is_default = config.command is None and config.script is None
    outputs = task_template.interface.outputs.variables
    is_line = len(outputs) == 1 and outputs[0].value.type.simple == SimpleType.STRING
    return {
        "command": config.command,
        "script": DEFAULT_SCRIPT if is_default else config.script,
        "env": config.env,
        "working_directory": config.working_directory,
        "timeout_seconds": config.timeout_seconds,
        "grace_seconds": GRACE_SECONDS,
        "inputs": to_json(inputs),
        "outputs": [output.key for output in outputs],
        "line_output": outputs[0].key if is_line else None,
    }


@contextlib.contextmanager
def _spool() -> Iterator[Spool]:
    """The spool, and its faults as the errors that Flyte understands."""
    directory = spool_directory()
    try:
        yield Spool(directory)
    except PermissionError as error:
        message = f"no access to the spool {directory} ({SPOOL_VARIABLE}): {error.strerror}"
        raise PermissionDeniedError(message) from error
    except (OSError, LaunchError, DamagedFileError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"the spool {directory} ({SPOOL_VARIABLE}) can't be used now: {reason}"
        raise ServiceUnavailableError(message) from error


@contextlib.contextmanager
def _existing_job(meta: BatchJobMetadata) -> Iterator[Job]:
    if not _JOB_ID.fullmatch(meta.job_id):
        message = "its job_id is not the id of a batch job"
        raise InvalidResourceMetaError(message, field="resource_meta")
    if meta.spool_id in retired_spools():
        message = f"batch job '{meta.job_id}' was in spool {meta.spool_id}, which is retired"
        raise JobNotFoundError(message)
    with _spool() as spool:
        if meta.spool_id not in ("", spool.id):
            raise ServiceUnavailableError(_not_here(meta, spool))
        job = spool.job(meta.job_id)
        if not job.exists():
            if not job.sweep():
                message = f"batch job '{meta.job_id}' was removed; its processes are being killed"
                raise ServiceUnavailableError(message)
            message = f"batch job '{meta.job_id}' is not, or no longer, in the spool {spool.root}"
            raise JobNotFoundError(message)
        yield job


def _not_here(meta: BatchJobMetadata, spool: Spool) -> str:
    return (
        f"batch job '{meta.job_id}' is in spool {meta.spool_id}, which is not mounted on this replica "
        f"at {spool.root} ({SPOOL_VARIABLE}); if it is gone for good, list it in {RETIRED_VARIABLE}"
    )
