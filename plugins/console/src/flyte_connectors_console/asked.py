"""The jobs that a replica was called for since its start: bounded, in memory, without secrets."""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ConnectorError
from flyteidl2.core.execution_pb2 import TaskLog

from flyte_connectors_console.inputs import inputs_view
from flyte_connectors_console.job_address import JobAddress
from flyte_connectors_console.place import KnownJob
from flyte_connectors_console.texts import phase_name, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyteidl2.connector import connector_pb2 as pb

MOST_JOBS = 5_000
MOST_SAMPLES = 720
SAMPLE_SECONDS = 5.0
_LONGEST_MESSAGE = 500
_CREATED = "CREATED"  # not polled so far


class AskedJobs:
    """The jobs that a service was called for, the most recent call last.

    Args:
        console_url: URL of the console's first page, for the links that tasks get to it; empty for no links.
    """

    def __init__(self, console_url: str = "") -> None:
        self._url = console_url.rstrip("/")
        self._lock = threading.Lock()
        self._jobs: collections.OrderedDict[JobAddress, KnownJob] = collections.OrderedDict()
        self._counts: collections.Counter[str] = collections.Counter()
        self._samples: collections.deque[tuple[float, dict[str, int]]] = collections.deque(maxlen=MOST_SAMPLES)

    def wrap(self, name: str, call: Any) -> Any:
        """`call`, recorded; see `ConnectorService.wrap_requests`."""

        async def create(request: pb.CreateTaskRequest, timeout: float | None = None) -> Any:
            reply = await call(request, timeout)
            self._created(request, reply.resource_meta)
            return reply

        async def get(request: pb.GetTaskRequest, timeout: float | None = None) -> Any:
            try:
                reply = await call(request, timeout)
            except ConnectorError as error:
                self._polled(request, "", error.message)
                raise
            resource = reply.resource
            self._polled(request, phase_name(resource.phase), resource.message)
            if self._url:
                self._link(request, resource)
            return reply

        async def delete(request: pb.DeleteTaskRequest, timeout: float | None = None) -> Any:
            reply = await call(request, timeout)
            self._deleted(request)
            return reply

        known = {"GetTask": get, "DeleteTask": delete}
        return known.get(name, create)

    def all(self) -> Sequence[KnownJob]:
        """The jobs, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def get(self, address: JobAddress) -> KnownJob | None:
        """One of them."""
        with self._lock:
            return self._jobs.get(address)

    def counts(self) -> Sequence[tuple[float, Mapping[str, int]]]:
        """How many jobs there were in each phase, over time."""
        with self._lock:
            return [*self._samples, (time.time(), dict(+self._counts))]

    def _created(self, request: pb.CreateTaskRequest, meta: bytes) -> None:
        template, execution = request.template, request.task_execution_metadata.task_execution_id
        node = execution.node_execution_id
        run = node.execution_id
        address = JobAddress(template.type, meta, template.task_type_version)
        inputs = inputs_view(request.inputs, request.connection.secrets.values())
        with self._lock:
            job = self._job(address)
            job.task, job.inputs = template.id.name, inputs
            job.project, job.domain, job.run = run.project, run.domain, run.name
            job.action, job.attempt = node.node_id, execution.retry_attempt
            if not job.phase:
                self._move(job, _CREATED)

    def _polled(self, request: pb.GetTaskRequest, phase: str, message: str) -> None:
        category = request.task_category
        address = JobAddress(category.name, request.resource_meta, category.version)
        now = time.time()
        with self._lock:
            job = self._job(address)
            if job.asked is not None and job.polls:
                job.next_try = now + min(now - job.asked, 600.0)
            job.asked, job.polls = now, job.polls + 1
            job.message = shortened(message, _LONGEST_MESSAGE)
            if phase:
                self._move(job, phase)

    def _deleted(self, request: pb.DeleteTaskRequest) -> None:
        category = request.task_category
        address = JobAddress(category.name, request.resource_meta, category.version)
        with self._lock:
            job = self._jobs.get(address)
            if job is not None and job.phase not in ("SUCCEEDED", "FAILED", "RETRYABLE_FAILED"):
                self._move(job, "ABORTED")

    def _job(self, address: JobAddress) -> KnownJob:
        job = self._jobs.get(address)
        if job is None:
            job = self._jobs[address] = KnownJob(address)
            if len(self._jobs) > MOST_JOBS:
                _, left = self._jobs.popitem(last=False)
                self._counts[left.phase] -= 1
        else:
            self._jobs.move_to_end(address)
        return job

    def _move(self, job: KnownJob, phase: str) -> None:
        if job.phase == phase:
            return
        if job.phase:
            self._counts[job.phase] -= 1
        job.phase = phase
        self._counts[phase] += 1
        now, counts = time.time(), dict(+self._counts)
        if self._samples and now - self._samples[-1][0] < SAMPLE_SECONDS:
            self._samples[-1] = (self._samples[-1][0], counts)
        else:
            self._samples.append((now, counts))

    def _link(self, request: pb.GetTaskRequest, resource: pb.Resource) -> None:
        """Add the job's page to the links of its task."""
        category = request.task_category
        path = JobAddress(category.name, request.resource_meta, category.version).path
        if path:
            resource.log_links.append(
                TaskLog(
                    name="Connector console",
                    uri=self._url + path,
                    message_format=TaskLog.UNKNOWN,
                    ready=True,
                    ShowWhilePending=True,
                )
            )
