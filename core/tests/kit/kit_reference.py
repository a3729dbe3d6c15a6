"""Two connectors that obey every rule, and the service in memory that one of them needs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

from flyte_connectors import AsyncConnector, Phase, Resource, ResourceMeta, SyncConnector
from flyte_connectors.errors import (
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
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


@dataclasses.dataclass
class MemoryJob:
    state: str = "RUNNING"
    log: list[str] = dataclasses.field(default_factory=list)


class MemoryService:
    """Jobs by id. `connected` is what a client awaits before each call."""

    def __init__(self) -> None:
        self.by_id: dict[str, MemoryJob] = {}
        self.is_away = self.hangs = False

    async def connected(self) -> None:
        if self.is_away:
            raise ConnectionRefusedError("nobody listens")
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def submit(self, job: str) -> None:
        self.by_id.setdefault(job, MemoryJob())

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


@dataclasses.dataclass
class JobMeta(ResourceMeta):
    job: str


def check(task_template: Any) -> None:
    """Refuse a task without a number of rows."""
    if not isinstance(task_template.custom.fields["rows"].number_value, float) or (
        task_template.custom.fields["rows"].number_value < 1
    ):
        raise InvalidRequestError("give a number over 0", field="custom.rows")


class ReferenceConnector(AsyncConnector[JobMeta]):
    name = "Kit Reference"
    task_type_name = "kit_job"
    metadata_type = JobMeta

    def __init__(self, service: MemoryService | None = None) -> None:
        super().__init__()
        self.service = service or MemoryService()

    async def create(self, task_template: Any, idempotency_key: str, **kwargs: Any) -> JobMeta:
        check(task_template)
        await self.connect()
        self.service.submit(idempotency_key)
        return JobMeta(idempotency_key)

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        await self.connect()
        state = self.job(resource_meta).state
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

    def start_of(self, token: str, job: MemoryJob) -> int:
        if token and not token.isdecimal():
            raise InvalidRequestError("no page of this log", field="token")
        return int(token or 0)

    async def connect(self) -> None:
        try:
            await self.service.connected()
        except ConnectionError as error:
            raise ServiceUnavailableError(f"the job service is away: {error}") from error

    def job(self, meta: JobMeta) -> MemoryJob:
        try:
            return self.service.by_id[meta.job]
        except KeyError:
            raise JobNotFoundError(f"the service knows no job '{meta.job}'") from None


class ReferenceSync(SyncConnector):
    name = "Kit Reference Sync"
    task_type_name = "kit_sync"

    def __init__(self, service: object = None) -> None:
        super().__init__()

    async def do(self, task_template: Any, **kwargs: Any) -> Resource:
        check(task_template)
        return Resource(Phase.SUCCEEDED, outputs={"count": 3})
