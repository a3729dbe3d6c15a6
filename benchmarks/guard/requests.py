"""What each call costs between the bytes of a request and the bytes of its reply."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_connectors._calls import deadlines
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.adapter import answers, handlers
from flyte_connectors.service.calls import Calls
from flyteidl2.connector.connector_pb2 import (
    CreateTaskResponse,
    DeleteTaskRequest,
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    TaskCategory,
)
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from benchmarks.guard.counting import BYTECODE, Instructions
from benchmarks.payloads import SERVICE, TASK_TYPE, create_request, get_request
from benchmarks.servers.connector_ours import Job, TrivialConnector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from flyte_connectors.service.adapter import Answer

JOBS = 20
LINES, BATCH = 2000, 500
ROUNDS = 3
"""Of which the least counts: Python's own memory grows by steps."""
WARM_UP_ROUNDS = 3


class _Details(NamedTuple):
    """What finds the handler of a call."""

    method: str
    invocation_metadata: tuple[()] = ()


class _Context:
    """What the handlers ask the transport about a call."""

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def time_remaining(self) -> float:
        return 10.0

    def add_done_callback(self, _: Callable[..., None]) -> None:
        """Nobody cancels it."""


class _Connector(TrivialConnector):
    """With logs that are made beforehand: what remains is the service's part."""

    async def get_logs(self, resource_meta: Job, **_: Any) -> AsyncIterator[Any]:
        items = _BATCHES if resource_meta.job_id.startswith("batches") else _LINES
        for item in items:
            yield item


_LINES = [LogLine(message=f"line {number}") for number in range(LINES)]
_BATCHES = [
    GetTaskLogsResponse(body=GetTaskLogsResponseBody(lines=_LINES[start : start + BATCH]))
    for start in range(0, LINES, BATCH)
]


class _Service:
    """The handlers of a service, without a transport."""

    def __init__(self, burden: int) -> None:
        registry = Registry()
        registry.register(_Connector())
        faults = TransientFaults(lost_after=600)
        dispatcher = Dispatcher(registry, CallGuard(), faults=faults)
        answering = answers(dispatcher)
        if burden:
            answering = {name: _burdened(each, burden) for name, each in answering.items()}
        self._handlers = handlers(dispatcher, Calls(), answering)

    async def call(self, method: str, request: bytes) -> bytes:
        """The reply to a request; of a stream, all messages in one."""
        details: Any = _Details(f"{SERVICE}/{method}")
        handler: Any = self._handlers.service(details)
        context: Any = _Context()
        message = handler.request_deserializer(request)
        if handler.response_streaming:
            return b"".join([each async for each in handler.unary_stream(message, context)])
        reply: bytes = handler.response_serializer(await handler.unary_unary(message, context))
        return reply


def _burdened(answer: Answer, instructions: int) -> Answer:
    async def burdened(request: Any, timeout: float | None) -> Any:
        for _ in range(instructions // 3):
            pass
        return await answer(request, timeout)

    return burdened


def counts(burden: int = 0) -> dict[str, float]:
    """The counts of all calls by name.

    Args:
        burden: Bytecode instructions that each unary call executes for nothing, at least.
    """
    deadlines.RESOLUTION = 3600.0  # seconds: no timer goes off meanwhile
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        service = _Service(burden)
        found: dict[str, float] = {}
        for name, method, requests in _kinds(lambda *call: runner.run(service.call(*call))):
            for count, value in _counted(loop, service, method, requests).items():
                found[f"{name}: {count}"] = value
        return found


def _kinds(call: Callable[[str, bytes], bytes]) -> Iterator[tuple[str, str, list[bytes]]]:
    """Name, method and requests of each kind of call, every request about another job."""

    def metas(state: str) -> list[bytes]:
        replies = [call("CreateTask", request) for request in _creates(state, JOBS)]
        return [CreateTaskResponse.FromString(reply).resource_meta for reply in replies]

    category = TaskCategory(name=TASK_TYPE)
    running, succeeded = metas("running"), metas("succeeded")
    yield "GetTask RUNNING", "GetTask", [_bytes(get_request(meta)) for meta in running]
    yield "GetTask SUCCEEDED", "GetTask", [_bytes(get_request(meta)) for meta in succeeded]
    yield "CreateTask", "CreateTask", _creates("running", JOBS)
    deletes = [DeleteTaskRequest(resource_meta=meta, task_category=category) for meta in running]
    yield "DeleteTask", "DeleteTask", [_bytes(each) for each in deletes]
    for name, state in (
        (f"{LINES} log lines one by one", "lines"),
        (f"{LINES} log lines in batches", "batches"),
    ):
        request = GetTaskLogsRequest(resource_meta=metas(state)[0], task_category=category)
        yield name, "GetTaskLogs", [_bytes(request)]


def _creates(state: str, number: int) -> list[bytes]:
    requests = []
    for attempt in range(number):
        request = create_request(state)
        request.task_execution_metadata.task_execution_id.retry_attempt = attempt
        requests.append(_bytes(request))
    return requests


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _counted(
    loop: asyncio.AbstractEventLoop, service: _Service, method: str, requests: list[bytes]
) -> dict[str, float]:
    """The counts per request."""

    async def call_all() -> None:
        for request in requests:
            await service.call(method, request)

    def run() -> None:
        loop.run_until_complete(call_all())

    for _ in range(WARM_UP_ROUNDS):
        run()
    gc.collect()
    gc.disable()
    try:
        instructions = min(_instructions(run) for _ in range(ROUNDS))
        turns = _turns(loop, run)
        peak = min(_peak_memory(run) for _ in range(ROUNDS))
    finally:
        gc.enable()
    replies = [loop.run_until_complete(service.call(method, each)) for each in requests]
    per_request = len(requests)
    return {
        BYTECODE: instructions / per_request,
        "callbacks of the event loop": turns / per_request,
        "bytes in memory at its peak": peak,
        "bytes of the reply": sum(map(len, replies)) / per_request,
    }


def _instructions(run: Callable[[], None]) -> int:
    instructions = Instructions()
    instructions.start()
    run()
    instructions.stop()
    return instructions.count


def _turns(loop: Any, run: Callable[[], None]) -> int:
    """How many callbacks the event loop is given."""
    scheduled = 0
    call_soon = loop.call_soon

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal scheduled
        scheduled += 1
        return call_soon(*arguments, **options)

    loop.call_soon = counting
    try:
        run()
    finally:
        del loop.call_soon
    return scheduled


def _peak_memory(run: Callable[[], None]) -> int:
    """Bytes that Python's objects take at most while it answers."""
    tracemalloc.start()
    try:
        run()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
