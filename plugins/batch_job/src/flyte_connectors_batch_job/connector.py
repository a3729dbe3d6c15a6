"""The connector: each verb in a few lines over the job's back end.

All verbs are plain functions: they touch files, so the core runs them in its threads.
"""
# The arguments of the verbs are the contract's, used or not.
# ruff: noqa: ARG002

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flyte_connectors import hookimpl
from flyte_connectors.connector import AsyncConnector, Resource, ResourceMeta
from flyte_connectors.errors import (
    ConnectorError,
    InvalidRequestError,
    InvalidResourceMetaError,
)
from flyte_connectors_functions import reports
from flyte_connectors_functions.call import REPORT
from flyteidl2.core.execution_pb2 import TaskLog

from flyte_connectors_batch_job import backends, log_pages, metrics
from flyte_connectors_batch_job.backends.asking import states_of
from flyte_connectors_batch_job.backends.interface import JobKey, ReportingBackend, each
from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.functions import states
from flyte_connectors_batch_job.request import check_abilities, job_request
from flyte_connectors_batch_job.settings import (
    SPOOL_VARIABLE,
    allowed_backends,
    function_python,
    is_spool_shared,
)
from flyte_connectors_batch_job.wrapper import storage
from flyte_connectors_batch_job.wrapper.faults import TransferError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_batch_job.backends.interface import BatchBackend, JobState

    _Job: TypeAlias = "tuple[BatchBackend, str, str]"

_READS_AT_ONCE = 16
_JOB_ID = re.compile(r"[a-z0-9-]{1,63}")


@dataclasses.dataclass
class BatchJobMetadata(ResourceMeta):
    """What identifies a batch job.

    Args:
        job_id: Its id, the same on every back end.
        spool_id: Handle of a job on the local back end: identity of the spool that it is in, and of an
            array its size; empty in metas of version 0.1.0.
        backend: Name of its back end.
        handle: What other back ends find it by.
        is_function: Whether it calls a function.
        report: URI of what the function reports, where the back end can't read it itself.
    """

    job_id: str
    spool_id: str = ""
    backend: str = backends.LOCAL
    handle: str = ""
    is_function: bool = False
    report: str = ""


class BatchJobConnector(AsyncConnector[BatchJobMetadata]):
    """Runs task type `batch_job`: commands and scripts, on a back end of the operator's choice.

    Its state is in the back ends alone. The idempotency key is the job's id.
    """

    name = "Batch Job Connector"
    task_type_name = "batch_job"
    task_type_version = 0
    metadata_type = BatchJobMetadata
    shared_directory_variable = SPOOL_VARIABLE
    jobs_run_as_service_user = True

    @hookimpl
    def warm_up(self) -> None:
        """Import the back ends that tasks may use."""
        for name in allowed_backends():
            backends.load(name)

    @hookimpl
    def check_connection(self) -> list[str | Exception]:
        """Whether each back end that tasks may use answers; see `flyte_connectors.hookspecs`."""
        return list(_connections())

    def repeatable_create(self, task_template: TaskTemplate) -> bool:
        """Whether any replica that repeats a create would find the job that may have been started."""
        backend = _chosen(BatchJobConfig.from_custom(task_template.custom).backend)
        return backend.name != backends.LOCAL or is_spool_shared()

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str,
        **kwargs: Any,
    ) -> BatchJobMetadata:
        """Submit the job of this key; return once it has begun or waits."""
        backend = _chosen(BatchJobConfig.from_custom(task_template.custom).backend)
        python = function_python() or (sys.executable if backend.name == backends.LOCAL else "python3")
        request = job_request(task_template, inputs, output_prefix, task_execution_metadata, python)
        is_function = request.config.function is not None
        if is_function and isinstance(backend, ReportingBackend):
            request.inputs["call"]["report"] = ""  # which it reads in the job's own folder
        check_abilities(request, backend)
        secrets = {name: str(kwargs[name]) for name in request.config.secrets if name in kwargs}
        handle = backend.submit(idempotency_key, request, secrets)
        if backend.name == backends.LOCAL:  # in the field that releases before this one read
            return BatchJobMetadata(idempotency_key, handle, is_function=is_function)
        report = request.inputs["call"]["report"] if is_function else ""
        return BatchJobMetadata(
            idempotency_key,
            backend=backend.name,
            handle=handle,
            is_function=is_function,
            report=report,
        )

    def get(self, resource_meta: BatchJobMetadata, **kwargs: Any) -> Resource:
        """The job's state."""
        (answer,) = self.get_many([resource_meta])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get_many(self, resource_metas: Sequence[BatchJobMetadata], **kwargs: Any) -> list[Resource | Exception]:
        """The jobs' states, by one question to each back end."""
        jobs = each(_of, resource_metas)
        answers = list(zip(resource_metas, jobs, _states(jobs), strict=True))
        if sum(bool(meta.report) for meta in resource_metas) <= 1:
            return each(_resource, answers)
        with ThreadPoolExecutor(_READS_AT_ONCE) as threads:  # each report is read from its store
            return each(Future.result, [threads.submit(_resource, answer) for answer in answers])

    def delete(self, resource_meta: BatchJobMetadata, **kwargs: Any) -> None:
        """Cancel the job; return once that is recorded. It ends within the grace time."""
        backend, job_id, handle = _of(resource_meta)
        backend.cancel(job_id, handle)

    def get_logs(
        self,
        resource_meta: BatchJobMetadata,
        token: str = "",
        lines: int = 0,
        **kwargs: Any,
    ) -> Iterator[GetTaskLogsResponse]:
        """One page of the job's log."""
        backend, job_id, handle = _of(resource_meta)
        yield from log_pages.messages(backend.log(job_id, handle, token, lines))

    def get_metrics(
        self,
        resource_meta: BatchJobMetadata,
        queries: Sequence[str] = (),
        **kwargs: Any,
    ) -> GetTaskMetricsResponse:
        """CPU seconds, wall seconds and peak memory so far, and what a function has reported."""
        backend, job_id, handle = _of(resource_meta)
        curves = None
        if resource_meta.is_function:
            curves = _reported(backend, resource_meta, handle).curves
        return metrics.response(job_id, backend.usage(job_id, handle), queries, curves)


def _states(jobs: Sequence[_Job | Exception]) -> list[JobState | Exception]:
    found: dict[int, JobState | Exception] = {}
    asked: dict[str, dict[int, JobKey]] = {}
    for place, job in enumerate(jobs):
        if isinstance(job, Exception):
            found[place] = job
        else:
            backend, job_id, handle = job
            asked.setdefault(backend.name, {})[place] = JobKey(job_id, handle)
    answers = states_of({name: list(keys.values()) for name, keys in asked.items()})
    for name, keys in asked.items():
        found |= dict(zip(keys, answers[name], strict=True))
    return [found[place] for place in range(len(jobs))]


def _resource(answer: tuple[BatchJobMetadata, _Job | Exception, JobState | Exception]) -> Resource:
    meta, job, state = answer
    if isinstance(job, Exception):
        raise job
    if isinstance(state, Exception):
        raise state
    backend, job_id, handle = job
    if meta.is_function:
        state = states.with_report(states.with_outputs(state), _reported(backend, meta, handle))
    links = [TaskLog(name=page.name, uri=page.uri) for page in backend.links(job_id, handle)]
    return Resource(
        phase=state.phase,
        message=state.message,
        outputs=state.outputs,
        log_links=links or None,
        custom_info=state.details,
    )


def _reported(backend: BatchBackend, meta: BatchJobMetadata, handle: str) -> reports.Reported:
    """What the function of a job has reported; nothing if it can't be read now."""
    tail = b""
    with contextlib.suppress(OSError, ConnectorError, TransferError):
        if isinstance(backend, ReportingBackend):
            tail = backend.reported(meta.job_id, handle)
        elif meta.report.endswith(f"/{REPORT}"):
            tail = storage.read_bytes(meta.report, reports.TAIL_BYTES)
    return reports.read(tail)


def _connections() -> Iterator[str | Exception]:
    for name in allowed_backends():
        check = getattr(backends.load(name), "check_connection", None)
        if check is not None:
            try:
                yield check()
            except ConnectorError as error:
                yield error


def _chosen(wanted: str | None) -> BatchBackend:
    """The back end that a task runs on."""
    allowed = allowed_backends()
    if wanted is None:
        return backends.load(allowed[0])
    if wanted not in allowed:
        message = f"'{wanted}' is not available; available: {', '.join(allowed)}"
        raise InvalidRequestError(message, field="custom.backend")
    return backends.load(wanted)


def _of(meta: BatchJobMetadata) -> _Job:
    """The back end of a job, its id, and its handle."""
    if not _JOB_ID.fullmatch(meta.job_id):
        message = "its job_id is not the id of a batch job"
        raise InvalidResourceMetaError(message, field="resource_meta")
    if meta.backend not in backends.NAMES:
        message = f"its back end '{meta.backend}' is unknown; available: {', '.join(backends.NAMES)}"
        raise InvalidResourceMetaError(message, field="resource_meta")
    handle = meta.spool_id if meta.backend == backends.LOCAL else meta.handle
    return backends.load(meta.backend), meta.job_id, handle
