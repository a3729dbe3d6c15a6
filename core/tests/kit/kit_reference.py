"""Two connectors that obey every rule, and the service in memory that one of them needs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta, SyncConnector
from flyte_connectors.authoring import metrics_response
from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

PHASES = {
    "WAITING": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "DONE": Phase.SUCCEEDED,
    "BROKEN": Phase.FAILED,
    "CANCELLED": Phase.ABORTED,
}
ENDED = {"DONE", "BROKEN", "CANCELLED"}
MESSAGES = {"BROKEN": "the disk is full"}


SNAPSHOT_VARIABLE = "KIT_REFERENCE_JOBS"


class StatusError(Exception):
    """An answer that refuses the call.

    Attributes:
        status: Why, as HTTP has it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclasses.dataclass
class MemoryJob:
    rows: float | None = None
    inputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    secret: str = ""
    state: str = "RUNNING"
    started: float = 0.0
    log: list[str] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)


class MemoryService:
    """Jobs by id. `connected` is what a client awaits before each call."""

    def __init__(self) -> None:
        snapshot = json.loads(os.environ.get(SNAPSHOT_VARIABLE, "{}"))
        self.by_id = {job: MemoryJob(**fields) for job, fields in snapshot.items()}
        self.is_away = self.hangs = self.loses_reply = False
        self.status = 200
        self.call_count = 0
        self.seconds_ahead = 0.0

    async def connected(self) -> None:
        self.call_count += 1
        if self.is_away:
            raise ConnectionRefusedError("nobody listens")
        if self.hangs:
            await asyncio.Event().wait()
        if self.status != 200:
            raise StatusError(self.status)
        await asyncio.sleep(0)

    def submit(self, job: str, wanted: MemoryJob | None = None) -> None:
        wanted = wanted or MemoryJob()
        known = self.by_id.setdefault(job, wanted)
        if wanted.rows != (known.rows or wanted.rows):
            raise StatusError(409)
        known.rows = wanted.rows
        known.started = known.started or time.time() + self.seconds_ahead
        if self.loses_reply:
            self.loses_reply = False
            raise ConnectionResetError("reset by peer")

    def jobs(self) -> dict[str, bool]:
        return {job: state.state not in ENDED for job, state in self.by_id.items()}

    def complete(self, job: str) -> None:
        self.by_id[job].state = "DONE"

    def fail(self, job: str) -> None:
        self.by_id[job].state = "BROKEN"

    def forget(self, job: str) -> None:
        del self.by_id[job]

    def go_away(self) -> None:
        self.is_away = True

    def hang(self) -> None:
        self.hangs = True

    def states(self) -> Sequence[str]:
        return list(PHASES)

    def set_state(self, job: str, state: str) -> None:
        self.by_id[job].state = state

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        self.by_id[job].log += lines

    def lose_reply(self) -> None:
        self.loses_reply = True

    def refuse(self, status: int) -> None:
        self.status = status

    def remark(self, job: str) -> None:
        self.by_id[job].remarks.append("a disk is slow")

    def inputs_of(self, job: str) -> dict[str, Any]:
        return self.by_id[job].inputs

    def secret_of(self, job: str) -> str:
        return self.by_id[job].secret

    def calls(self) -> int:
        return self.call_count

    def set_clock(self, seconds: float) -> None:
        self.seconds_ahead = seconds

    def environment(self) -> dict[str, str]:
        jobs = {job: dataclasses.asdict(state) for job, state in self.by_id.items()}
        return {SNAPSHOT_VARIABLE: json.dumps(jobs)}


@dataclasses.dataclass
class JobMeta(ResourceMeta):
    job: str


def check(task_template: Any) -> None:
    """Refuse a task without a number of rows."""
    if not isinstance(task_template.custom.fields["rows"].number_value, float) or (
        task_template.custom.fields["rows"].number_value < 1
    ):
        raise InvalidRequestError("give a number over 0", field="custom.rows")


ERRORS: dict[int, type[ConnectorError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: JobNotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


class ReferenceConnector(AsyncConnector[JobMeta]):
    name = "Kit Reference"
    task_type_name = "kit_job"
    metadata_type = JobMeta
    errors = ERRORS
    repeatable_create = True  # also where a mutant's `create` takes the key among others, as `**kwargs`

    def __init__(self, service: MemoryService | None = None) -> None:
        super().__init__()
        self.service = service or MemoryService()

    async def create(self, task_template: Any, inputs: Any, idempotency_key: str, **kwargs: Any) -> JobMeta:
        check(task_template)
        await self.connect()
        rows = task_template.custom.fields["rows"].number_value
        with self.translated():
            wanted = MemoryJob(rows, dict(inputs), kwargs.get("kit_secret", ""))
            self.service.submit(idempotency_key, wanted)
        return JobMeta(idempotency_key)

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        await self.connect()
        return self.resource_of(resource_meta, **kwargs)

    def resource_of(self, meta: JobMeta, **kwargs: Any) -> Resource:
        job = self.job(meta)
        job.secret = kwargs.get("kit_secret", "")
        state = job.state
        return Resource(
            PHASES.get(state, Phase.RUNNING),
            message=MESSAGES.get(state),
            outputs={"count": 3},
            log_links=[TaskLog(name="console", uri="https://jobs.example/1")],
        )

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        await self.connect()
        job = self.job(resource_meta)
        if job.state not in ENDED:
            job.state = "CANCELLED"

    async def get_logs(
        self, resource_meta: JobMeta, token: str, lines: int, **kwargs: Any
    ) -> AsyncIterator[LogLine | GetTaskLogsResponse]:
        await self.connect()
        job = self.job(resource_meta)
        start = self.start_of(token, job)
        page = job.log[start : start + lines if lines else None]
        for text in page:
            yield LogLine(message=text)
        end = start + len(page)
        if end < len(job.log) or job.state not in ENDED:
            yield GetTaskLogsResponse(header={"token": str(end)})

    async def get_metrics(
        self, resource_meta: JobMeta, queries: Sequence[str], **kwargs: Any
    ) -> GetTaskMetricsResponse:
        await self.connect()
        lines = len(self.job(resource_meta).log)
        return metrics_response({"lines": lines}, queries, labels={"job": resource_meta.job})

    def start_of(self, token: str, job: MemoryJob) -> int:
        if token and not token.isdecimal():
            raise InvalidRequestError("no page of this log", field="token")
        return int(token or 0)

    async def connect(self) -> None:
        with self.translated():
            await self.service.connected()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError as error:
            raise ServiceUnavailableError(f"the job service is down: {error}") from error
        except StatusError as error:
            kind = self.errors.get(error.status, ServiceUnavailableError)
            raise kind(f"the job service answered {error.status}") from error

    def job(self, meta: JobMeta) -> MemoryJob:
        try:
            return self.service.by_id[meta.job]
        except KeyError:
            raise JobNotFoundError(f"the service knows no job '{meta.job}'") from None


class ReferenceMany(ReferenceConnector):
    async def get_many(self, resource_metas: Sequence[JobMeta], **kwargs: Any) -> list[Resource | Exception]:
        await self.connect()
        answers: list[Resource | Exception] = []
        for meta in resource_metas:
            try:
                answers.append(self.resource_of(meta, **kwargs))
            except JobNotFoundError as error:
                answers.append(error)
        return answers


class ReferenceSync(SyncConnector):
    name = "Kit Reference Sync"
    task_type_name = "kit_sync"

    def __init__(self, service: object = None) -> None:
        super().__init__()

    async def do(self, task_template: Any, **kwargs: Any) -> Resource:
        check(task_template)
        return Resource(Phase.SUCCEEDED, outputs={"count": 3})
