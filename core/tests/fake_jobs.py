"""A scripted job service in memory, its connector, and requests for it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from flyte_connectors import AsyncConnector, NativeInterface, Phase, Resource, ResourceMeta
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.template import TaskTemplate
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate as TaskTemplateProto
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

TASK_TYPE = "fake_job"


@dataclasses.dataclass
class JobMeta(ResourceMeta):
    job: str


class JobService:
    """Jobs by idempotency key; every call is counted and can be made to fail.

    Attributes:
        jobs: What `create` was given, by key.
        deleted: Keys of jobs that `delete` has reached.
        calls: How often each verb was called; `arguments` what it was last given.
        faults: Errors that a verb raises, first to last, before it works again.
        states: What `get` answers, one by one; the last of them from then on.
        before: Awaited at the start of a verb.
        lines: Texts of the log, in pages of ten.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.calls: Counter[str] = Counter()
        self.arguments: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, list[BaseException]] = defaultdict(list)
        self.states: list[Any] = [Resource(Phase.SUCCEEDED)]
        self.before: dict[str, Callable[[], Any]] = {}
        self.lines: list[str] = []
        self.meta: Callable[[str], Any] = JobMeta

    async def reached(self, verb: str, arguments: dict[str, Any]) -> None:
        self.calls[verb] += 1
        self.arguments[verb] = arguments
        if verb in self.before:
            await self.before[verb]()
        if self.faults[verb]:
            raise self.faults[verb].pop(0)


class JobConnector(AsyncConnector[JobMeta]):
    name = "Fake Jobs"
    task_type_name = TASK_TYPE
    metadata_type = JobMeta

    def __init__(self, service: JobService) -> None:
        super().__init__()
        self.service = service

    async def create(self, idempotency_key: str, **kwargs: Any) -> Any:
        await self.service.reached("create", kwargs)
        self.service.jobs.setdefault(idempotency_key, kwargs)
        return self.service.meta(idempotency_key)

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        await self.service.reached("get", kwargs)
        states = self.service.states
        state = states.pop(0) if len(states) > 1 else states[0]
        return dataclasses.replace(state) if isinstance(state, Resource) else state

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        await self.service.reached("delete", kwargs)
        self.service.deleted.append(resource_meta.job)

    async def get_logs(self, resource_meta: JobMeta, token: str = "", **kwargs: Any) -> AsyncIterator[Any]:
        await self.service.reached("get_logs", kwargs)
        if not (token or "0").isdecimal():
            raise InvalidRequestError("not a page of this log", field="token")
        start = int(token or 0)
        page = self.service.lines[start : start + 10]
        for text in page:
            yield LogLine(message=text)
        yield pb.GetTaskLogsResponse(header={"token": str(start + len(page))})

    async def get_metrics(self, resource_meta: JobMeta, **kwargs: Any) -> Any:
        await self.service.reached("get_metrics", kwargs)
        return pb.GetTaskMetricsResponse()


def template(
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    *,
    task_type: str = TASK_TYPE,
    custom: Mapping[str, Any] | None = None,
) -> TaskTemplateProto:
    """A task of the fake service."""
    interface = NativeInterface(inputs or {}, outputs or {})
    message = TaskTemplate("count", interface, task_type).to_proto()
    message.custom.update(custom or {})
    return message


def create_request(
    task: TaskTemplateProto | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    run: str = "run1",
    attempt: int = 0,
    connection: Mapping[str, Any] | None = None,
) -> pb.CreateTaskRequest:
    """The request that starts `task` with input values."""
    request = pb.CreateTaskRequest(template=task or template(), output_prefix="file:///nowhere", connection=connection)
    types = {name: (type(value), value) for name, value in (values or {}).items()}
    request.inputs.CopyFrom(NativeInterface(types).write_inputs("count", values or {}))
    identifier = request.task_execution_metadata.task_execution_id
    identifier.retry_attempt = attempt
    identifier.node_execution_id.node_id = "a0"
    identifier.node_execution_id.execution_id.name = run
    return request


def get_request(meta: bytes, **fields: Any) -> pb.GetTaskRequest:
    return pb.GetTaskRequest(resource_meta=meta, task_category={"name": TASK_TYPE}, **fields)


def delete_request(meta: bytes, **fields: Any) -> pb.DeleteTaskRequest:
    return pb.DeleteTaskRequest(resource_meta=meta, task_category={"name": TASK_TYPE}, **fields)


def logs_request(meta: bytes, **fields: Any) -> pb.GetTaskLogsRequest:
    return pb.GetTaskLogsRequest(resource_meta=meta, task_category={"name": TASK_TYPE}, **fields)


def metrics_request(meta: bytes, **fields: Any) -> pb.GetTaskMetricsRequest:
    return pb.GetTaskMetricsRequest(resource_meta=meta, task_category={"name": TASK_TYPE}, **fields)


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Return once `condition()` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)
