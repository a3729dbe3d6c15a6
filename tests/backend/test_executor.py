"""The model treats a connector service as Flyte's back end does."""

from __future__ import annotations

import asyncio
import pathlib
from collections import deque

import grpc
import pytest
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    GetTaskRequest,
)
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.task.common_pb2 import NamedLiteral, Outputs

from .cache import MAX_FAILURES
from .conftest import ScriptedService, read
from .executor import MAX_RETRIES, Executor
from .launcher import Launcher
from .task import Outcome, Task

RUNNING = read(TaskExecution.RUNNING)
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def outputs(**values: int | str) -> Outputs:
    """Outputs in the order given."""
    return Outputs(literals=[_named(name, value) for name, value in values.items()])


def _named(name: str, value: int | str) -> NamedLiteral:
    kind = "integer" if isinstance(value, int) else "string_value"
    return NamedLiteral(name=name, value=Literal(scalar=Scalar(primitive=Primitive(**{kind: value}))))


SUCCEEDED = read(TaskExecution.SUCCEEDED, outputs=outputs(double=42, label="t1"))


def run(service: ScriptedService, task: Task) -> Executor:
    """Run one task to its end."""

    async def play() -> Executor:
        async with service.client() as client:
            executor = Executor(client, Launcher(client, seed=0))
            await asyncio.wait_for(executor.run([task]), 20)
            return executor

    return asyncio.run(play())


def attempts(service: ScriptedService) -> list[int]:
    """The `retry_attempt` of every create."""
    return [
        request.task_execution_metadata.task_execution_id.retry_attempt for request in service.asked(CreateTaskRequest)
    ]


def test_outputs_are_matched_by_name(service: ScriptedService, task: Task) -> None:
    """Order means nothing."""
    for order in (outputs(double=42, label="t1"), outputs(label="t1", double=42)):
        service.reads = deque([read(TaskExecution.SUCCEEDED, outputs=order)])
        task.outcome = Outcome.UNFINISHED
        run(service, task)
        assert task.outcome is Outcome.RIGHT


@pytest.mark.parametrize(
    "wrong",
    [
        outputs(double=43, label="t1"),
        outputs(label="t1"),
        outputs(double=42, label="t1", more=1),
        outputs(double="42", label="t1"),
    ],
)
def test_other_outputs_are_wrong(service: ScriptedService, task: Task, wrong: Outputs) -> None:
    """A wrong value, a missing or additional name, and a wrong type all count."""
    service.reads = deque([read(TaskExecution.SUCCEEDED, outputs=wrong)])
    run(service, task)
    assert task.outcome is Outcome.WRONG


def test_outputs_that_are_not_in_the_reply_are_read_from_the_prefix(service: ScriptedService, task: Task) -> None:
    """`<output_prefix>/outputs.pb` is the other way."""
    path = pathlib.Path(task.output_prefix) / "outputs.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(outputs(label="t1", double=42).SerializeToString())
    service.reads = deque([read(TaskExecution.SUCCEEDED)])
    run(service, task)
    assert task.outcome is Outcome.RIGHT


def test_every_create_error_burns_a_retry(service: ScriptedService, task: Task) -> None:
    """Even INVALID_ARGUMENT, which will not get better."""
    service.creates = deque([grpc.StatusCode.INVALID_ARGUMENT])
    executor = run(service, task)
    assert task.outcome is Outcome.FAILED
    assert attempts(service) == list(range(MAX_RETRIES + 1))
    assert executor.retries == MAX_RETRIES


def test_failed_reads_are_counted_over_the_whole_life_of_a_task(service: ScriptedService, task: Task) -> None:
    """Good reads in between don't help: the task is stranded in RUNNING."""
    service.reads = deque([RUNNING, UNAVAILABLE] * (MAX_FAILURES + 1) + [SUCCEEDED])
    run(service, task)
    assert task.outcome is Outcome.STRANDED
    assert len(service.asked(GetTaskRequest)) == 2 * (MAX_FAILURES + 1)


def test_a_few_failed_reads_are_forgiven(service: ScriptedService, task: Task) -> None:
    """Up to and including the limit."""
    service.reads = deque([UNAVAILABLE] * MAX_FAILURES + [SUCCEEDED])
    run(service, task)
    assert task.outcome is Outcome.RIGHT


def test_a_task_that_was_never_read_fails(service: ScriptedService, task: Task) -> None:
    """There is no last state to show."""
    service.reads = deque([UNAVAILABLE])
    run(service, task)
    assert task.outcome is Outcome.FAILED


def test_a_retryable_failure_starts_a_new_attempt(service: ScriptedService, task: Task) -> None:
    """The failed job is deleted first, the next attempt has its own number."""
    service.reads = deque([read(TaskExecution.RETRYABLE_FAILED), SUCCEEDED])
    run(service, task)
    assert task.outcome is Outcome.RIGHT
    assert attempts(service) == [0, 1]
    assert len(service.asked(DeleteTaskRequest)) == 1


@pytest.mark.parametrize("phase", [TaskExecution.FAILED, TaskExecution.ABORTED, TaskExecution.UNDEFINED])
def test_other_failures_are_final(service: ScriptedService, task: Task, phase: TaskExecution.Phase) -> None:
    """No retry."""
    service.reads = deque([read(phase)])
    run(service, task)
    assert task.outcome is Outcome.FAILED
    assert attempts(service) == [0]


def test_an_abort_is_repeated_until_it_succeeds(service: ScriptedService, task: Task) -> None:
    """The action can't be removed before."""
    task.aborts_after = 0.02
    service.deletes = deque([UNAVAILABLE, grpc.StatusCode.NOT_FOUND, DeleteTaskResponse()])
    run(service, task)
    assert task.outcome is Outcome.ABORTED
    assert len(service.asked(DeleteTaskRequest)) == 3


def test_a_delete_that_keeps_failing_makes_the_action_undeletable(service: ScriptedService, task: Task) -> None:
    """As a 404 for a job that is gone does."""
    task.aborts_after = 0.02
    service.deletes = deque([grpc.StatusCode.NOT_FOUND])
    run(service, task)
    assert task.outcome is Outcome.UNDELETABLE


def test_a_crash_before_the_reply_is_written_down_replays_the_create(service: ScriptedService, task: Task) -> None:
    """The same `task_execution_id` comes again; no retry is burned."""

    async def play() -> None:
        async with service.client() as client:
            executor = Executor(client, Launcher(client, seed=0))
            launched = asyncio.Event()
            answer = client.call

            async def crash_after_create(method: str, request: object) -> object:
                reply = await answer(method, request)
                if method == "CreateTask" and not launched.is_set():
                    launched.set()
                    executor.crash()
                return reply

            client.call = crash_after_create  # type: ignore[method-assign]
            service.reads = deque([SUCCEEDED])
            await asyncio.wait_for(executor.run([task]), 20)

    asyncio.run(play())
    assert task.outcome is Outcome.RIGHT
    first, second = service.asked(CreateTaskRequest)
    assert first.task_execution_metadata == second.task_execution_metadata


def test_a_crash_after_that_goes_on_with_the_same_job(service: ScriptedService, task: Task) -> None:
    """What was written down is enough to poll."""
    task.state.resource_meta = b"meta"
    service.reads = deque([SUCCEEDED])
    run(service, task)
    assert task.outcome is Outcome.RIGHT
    assert service.asked(CreateTaskRequest) == []


def test_a_create_cancelled_midway_is_sent_again(service: ScriptedService, task: Task) -> None:
    """With the same execution id, until the client waits long enough."""

    async def play() -> None:
        async with service.client() as client:
            launcher = Launcher(client, seed=3, cancelling=0.9)
            assert await asyncio.wait_for(launcher.launch(task), 20)

    service.creates = deque([CreateTaskResponse(resource_meta=b"meta")])
    asyncio.run(play())
    assert task.state.resource_meta == b"meta"
    assert set(attempts(service)) == {0}
