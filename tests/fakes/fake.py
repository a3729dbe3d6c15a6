"""Connectors for `job_service`: every one is reported by its task's `custom` what to do.

    phase, message, outputs, custom_info    what `get` reports; outputs are the inputs by default
    log                                     the lines of its log
    hold, hold_at_end                       verbs that wait for `JobService.release`
    fail                                    {verb: {"error": class, "text": ..., "times": n}}

The other connectors differ in one thing each; their docstrings say which.
"""

from __future__ import annotations

import asyncio
import builtins
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnector,
    errors,
)
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from google.protobuf.json_format import MessageToDict

from tests.fakes.job_service import JobService, until

PAGE_LINES = 100
BLOCK_SECONDS = 0.2


@dataclass
class FakeMeta(ResourceMeta):
    """The job's key, and a number that is sometimes none."""

    key: str
    number: int = 0


class FakeConnector(AsyncConnector[FakeMeta]):
    """All verbs, as coroutines."""

    name = "Fake Connector"
    task_type_name = "fake_job"
    metadata_type = FakeMeta

    async def create(
        self,
        task_template: Any,
        inputs: Mapping[str, Any],
        output_prefix: str,
        idempotency_key: str,
        **arguments: Any,
    ) -> FakeMeta:
        """Submit the job; it also notes which further arguments came."""
        job = {
            **plan_of(task_template),
            "inputs": dict(inputs),
            "output_prefix": output_prefix,
            "arguments": {name: str(value) for name, value in arguments.items()},
        }
        await act("create", idempotency_key, job)
        JobService().submit(idempotency_key, job)
        return FakeMeta(idempotency_key, number=job.get("number", 0))

    async def get(self, resource_meta: FakeMeta, output_prefix: str, **secrets: Any) -> Resource:
        """What the job's file says."""
        job = JobService().job(resource_meta.key)
        await act("get", resource_meta.key, job)
        JobService().update(resource_meta.key, prefix_of_get=output_prefix)
        return resource_of(job)

    async def delete(self, resource_meta: FakeMeta, **secrets: Any) -> None:
        """Abort the job; one that is gone is reported as such."""
        service = JobService()
        service.record("deleted", resource_meta.key)
        job = service.job(resource_meta.key)
        await act("delete", resource_meta.key, job)
        if job.get("phase", "SUCCEEDED") not in ("SUCCEEDED", "FAILED"):
            service.update(resource_meta.key, phase="ABORTED")

    async def get_logs(
        self, resource_meta: FakeMeta, token: str, lines: int, **secrets: Any
    ) -> AsyncIterator[LogLine | GetTaskLogsResponse]:
        """One line at a time; a page of `PAGE_LINES` ends with the token of the next."""
        job = JobService().job(resource_meta.key)
        await act("get_logs", resource_meta.key, job)
        if token and not token.isdecimal():
            raise errors.InvalidRequestError(f"'{token}' is not a page of this log", field="token")
        start = int(token or 0)
        log = job.get("log", [])
        page = log[start : start + (lines or PAGE_LINES)]
        for line in page:
            yield LogLine(message=line)
        if "get_logs" in job.get("hold_at_end", ()):
            try:
                await until(lambda: JobService().released, "the release of the log")
            finally:
                JobService().record("left_logs", resource_meta.key)
            yield LogLine(message="after the quiet")
        end = start + len(page)
        if end < len(log) or job.get("phase") == "RUNNING":
            yield GetTaskLogsResponse(header={"token": str(end)})

    async def get_metrics(
        self, resource_meta: FakeMeta, queries: Any, start_time: Any, step: Any, **secrets: Any
    ) -> GetTaskMetricsResponse:
        """One metric for each query, whose data say what else was asked for."""
        job = JobService().job(resource_meta.key)
        await act("get_metrics", resource_meta.key, job)
        response = GetTaskMetricsResponse()
        for query in queries or ["all"]:
            asked = {"start": start_time.isoformat(), "step": step.total_seconds()} if step else {}
            response.results.add(metric=query).data.update(asked)
        return response


class PlainConnector(FakeConnector):
    """Its verbs are plain functions, which run in threads."""

    name = "Plain Connector"
    task_type_name = "fake_plain"

    def create(self, **arguments: Any) -> FakeMeta:
        """As in the coroutine."""
        return asyncio.run(FakeConnector.create(self, **arguments))

    def get(self, **arguments: Any) -> Resource:
        """As in the coroutine."""
        return asyncio.run(FakeConnector.get(self, **arguments))

    def delete(self, **arguments: Any) -> None:
        """As in the coroutine."""
        return asyncio.run(FakeConnector.delete(self, **arguments))

    def get_logs(self, resource_meta: FakeMeta, **arguments: Any) -> Iterator[LogLine]:
        """All lines from a plain generator."""
        for line in JobService().job(resource_meta.key).get("log", []):
            yield LogLine(message=line)


class BareConnector(AsyncConnector[FakeMeta]):
    """Only the verbs that every connector must have."""

    name = "Bare Connector"
    task_type_name = "fake_bare"
    task_type_version = 2
    metadata_type = FakeMeta
    create = FakeConnector.create
    get = FakeConnector.get
    delete = FakeConnector.delete


class OddMetaConnector(FakeConnector):
    """Its meta holds what can't be stored."""

    name = "Odd Meta Connector"
    task_type_name = "fake_odd_meta"

    async def create(self, idempotency_key: str, **arguments: Any) -> FakeMeta:
        """A meta with a function in it, or with the secret called `odd`."""
        meta = await super().create(idempotency_key=idempotency_key, **arguments)
        meta.number = arguments.get("odd", lambda: 0)
        return meta


class BlockingConnector(FakeConnector):
    """Blocks the event loop in its coroutines, as vendors' SDKs do."""

    name = "Blocking Connector"
    task_type_name = "fake_blocking"

    async def create(self, **arguments: Any) -> FakeMeta:
        """Block, then submit."""
        time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251  (the fault that others must not feel)
        return await super().create(**arguments)


class LogObject:
    """An async iterator that is not a generator."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = iter(lines)

    def __aiter__(self) -> LogObject:
        return self

    async def __anext__(self) -> LogLine:
        try:
            return LogLine(message=next(self._lines))
        except StopIteration:
            raise StopAsyncIteration from None


class LogObjectConnector(FakeConnector):
    """`get_logs` returns an async iterator that is not a generator."""

    name = "Log Object Connector"
    task_type_name = "fake_log_object"

    def get_logs(self, resource_meta: FakeMeta, **arguments: Any) -> LogObject:  # type: ignore[override]
        """The iterator."""
        return LogObject(JobService().job(resource_meta.key)["log"])


class LogBreaksConnector(FakeConnector):
    """Its log breaks off after two lines."""

    name = "Log Breaks Connector"
    task_type_name = "fake_log_breaks"

    async def get_logs(self, **arguments: Any) -> AsyncIterator[LogLine | GetTaskLogsResponse]:
        """Two lines, then nothing more."""
        yield LogLine(message="one")
        yield LogLine(message="two")
        raise errors.ServiceUnavailableError("the log server is down")


class SyncFake(SyncConnector):
    """Answers at once."""

    name = "Sync Fake"
    task_type_name = "fake_sync"

    async def do(self, task_template: Any, inputs: Mapping[str, Any], idempotency_key: str, **secrets: Any) -> Resource:
        """Report what `custom` says."""
        job = {**plan_of(task_template), "inputs": dict(inputs)}
        await act("do", idempotency_key, job)
        return resource_of(job)


def plan_of(task_template: Any) -> dict[str, Any]:
    """The task's `custom`, its whole numbers as integers: a Struct knows only floats."""
    text = json.dumps(MessageToDict(task_template.custom))
    plan: dict[str, Any] = json.loads(text, parse_float=_number)
    return plan


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


async def act(verb: str, key: str, job: Mapping[str, Any]) -> None:
    """Wait or fail as the job's task asked for."""
    service = JobService()
    before = service.record(verb, key)
    if verb in job.get("hold", ()):
        await until(lambda: service.released, f"the release of {verb}")
    fault = job.get("fail", {}).get(verb)
    if fault and before < fault.get("times", 10**6):
        name = fault["error"]
        raise (getattr(errors, name, None) or getattr(builtins, name))(fault["text"])


def resource_of(job: Mapping[str, Any]) -> Resource:
    """What a job's file says, as a resource."""
    return Resource(
        phase=Phase[phase] if (phase := job.get("phase", "SUCCEEDED")) in Phase.__members__ else 99,
        message=job.get("message"),
        outputs=job.get("outputs", job["inputs"]),
        custom_info=job.get("custom_info"),
        log_links=[TaskLog(name="console", uri=uri) for uri in job.get("links", ())],
    )


CONNECTORS = (
    FakeConnector,
    PlainConnector,
    BareConnector,
    OddMetaConnector,
    BlockingConnector,
    LogObjectConnector,
    LogBreaksConnector,
    SyncFake,
)

for connector in CONNECTORS:
    ConnectorRegistry.register(connector, override=True)
