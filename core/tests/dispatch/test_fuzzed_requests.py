"""No request is answered with INTERNAL, whatever it holds: what is wrong with it is its sender's to fix."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from fake_jobs import TASK_TYPE, JobConnector, JobService
from flyte_connectors import Resource, SyncConnector
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConnectorError
from flyteidl2.connector import connector_pb2 as pb
from fuzzed_requests import changed, create_request, deep_literal, job_request, requests
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

JOB_REQUESTS: dict[str, type[Message]] = {
    "get": pb.GetTaskRequest,
    "delete": pb.DeleteTaskRequest,
    "get_logs": pb.GetTaskLogsRequest,
    "get_metrics": pb.GetTaskMetricsRequest,
}


class Echo(SyncConnector):
    """Answers with its inputs."""

    name = "Echo"
    task_type_name = "echo"

    async def do(self, inputs: dict[str, Any], **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED, outputs={"o": next(iter(inputs.values()), None)})


def codes(ask: Callable[[Dispatcher], list[Any]]) -> set[str]:
    """The codes that requests are answered with."""

    async def answers() -> set[str]:
        registry, guard = Registry(), CallGuard()
        for connector in (JobConnector(JobService()), Echo()):
            registry.register(connector)
        dispatcher = Dispatcher(registry, guard)
        seen = set()
        for call in ask(dispatcher):
            try:
                if hasattr(call, "__aiter__"):
                    _ = [item async for item in call]
                else:
                    await call
                seen.add("OK")
            except ConnectorError as error:
                seen.add(error.code)
        await guard.drain(5)
        return seen

    return asyncio.run(answers())


@settings(max_examples=300)
@given(requests(create_request, TASK_TYPE) | requests(create_request, "echo"))
def test_no_create_is_answered_with_internal(request: pb.CreateTaskRequest) -> None:
    """Types of a later release, values of another type, broken schemas, odd names of secrets."""
    seen = codes(lambda dispatcher: [dispatcher.create(request)])
    assert seen <= {"OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"}


@settings(max_examples=300)
@given(st.sampled_from(sorted(JOB_REQUESTS)), st.data())
def test_no_question_about_a_job_is_answered_with_internal(verb: str, data: st.DataObject) -> None:
    """Damaged metas, times out of range, odd tokens and connections."""
    reply = asyncio.run(_created())
    made = requests(job_request, JOB_REQUESTS[verb], TASK_TYPE, 0, reply.resource_meta)
    request = data.draw(made)
    seen = codes(lambda dispatcher: [getattr(dispatcher, verb)(request)])
    assert seen <= {"OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"}


async def _created() -> pb.CreateTaskResponse:
    registry, guard = Registry(), CallGuard()
    registry.register(JobConnector(JobService()))
    request = pb.CreateTaskRequest(template={"type": TASK_TYPE})
    reply = await Dispatcher(registry, guard).create(request)
    await guard.drain(5)
    return reply


@pytest.mark.parametrize("field", ["start_time", "end_time", "step"])
@given(seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
def test_a_time_out_of_range_is_named(field: str, seconds: int, nanos: int) -> None:
    """Whatever numbers a timestamp may hold."""
    request = pb.GetTaskMetricsRequest(task_category={"name": TASK_TYPE}, resource_meta=b"{}")
    request.resource_meta = asyncio.run(_created()).resource_meta
    getattr(request, field).seconds, getattr(request, field).nanos = seconds, nanos
    assert codes(lambda dispatcher: [dispatcher.get_metrics(request)]) <= {"OK", "INVALID_ARGUMENT"}


@given(requests(deep_literal, 40), requests(create_request, TASK_TYPE))
def test_deep_values_are_read_or_refused(literal: Any, request: pb.CreateTaskRequest) -> None:
    """As deep as protobuf itself reads."""
    for named in request.inputs.literals:
        named.value.CopyFrom(literal)
    codes_seen = codes(lambda dispatcher: [dispatcher.create(request)])
    assert codes_seen <= {"OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"}


def test_the_fuzzer_reaches_the_connector_and_its_errors() -> None:
    """Or it would test nothing: some requests are served, more are not, and no two are the same."""
    made = [create_request(random.Random(seed), TASK_TYPE) for seed in range(300)]
    served = [codes(lambda d, request=request: [d.create(request)]) == {"OK"} for request in made]  # type: ignore[misc]
    assert 30 < sum(served) < 200
    assert len({request.SerializeToString(deterministic=True) for request in made}) > 270
    others = [changed(random.Random(seed), request, 3) for seed, request in enumerate(made)]
    assert sum(other != request for other, request in zip(others, made, strict=True)) > 200
