"""The connector as the service calls it: found by its entry point, guarded, over wire messages."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from batch_jobs import Jobs, template
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.discovery import load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    InvalidResourceMetaError,
    ServiceUnavailableError,
)
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors_batch_job.backends.local.spool import Spool

CATEGORY = pb.TaskCategory(name="batch_job", version=0)


@pytest.fixture
def service(jobs: Jobs) -> Dispatcher:
    """The call path behind the gRPC service."""
    registry = Registry()
    load_plugins(registry)
    return Dispatcher(registry, CallGuard())


def request(script: str, attempt: int = 0) -> pb.CreateTaskRequest:
    """A request as the back end sends it."""
    message = pb.CreateTaskRequest(template=template({"result": "STRING"}, script=script))
    execution = message.task_execution_metadata.task_execution_id
    execution.retry_attempt = attempt
    execution.node_execution_id.node_id = "a0"
    execution.node_execution_id.execution_id.name = "run"
    return message


async def end(service: Dispatcher, meta: bytes) -> pb.Resource:
    """The job's resource once it is terminal."""
    poll = pb.GetTaskRequest(resource_meta=meta, task_category=CATEGORY)
    for _ in range(1000):
        resource = (await service.get(poll)).resource
        if resource.phase not in (Phase.INITIALIZING, Phase.QUEUED, Phase.RUNNING):
            return resource
        await asyncio.sleep(0.01)
    pytest.fail("the job did not end")


def test_a_job_goes_all_the_way(service: Dispatcher) -> None:
    """Create, get, logs, metrics and delete, each over its message."""

    async def life() -> tuple[pb.Resource, list[str], list[str]]:
        meta = (await service.create(request("echo one; echo two"))).resource_meta
        resource = await end(service, meta)
        logs = pb.GetTaskLogsRequest(resource_meta=meta, task_category=CATEGORY)
        lines = [line.message async for page in service.get_logs(logs) for line in page.body.lines]
        metrics = pb.GetTaskMetricsRequest(resource_meta=meta, task_category=CATEGORY)
        results = (await service.get_metrics(metrics)).results
        await service.delete(pb.DeleteTaskRequest(resource_meta=meta, task_category=CATEGORY))
        return resource, lines, [result.metric for result in results]

    resource, lines, metrics = asyncio.run(life())
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals[0].value.scalar.primitive.string_value == "two"
    assert lines == ["one", "two"]
    assert metrics == ["cpu_seconds", "wall_seconds", "peak_memory_bytes"]


def test_a_replayed_create_gives_the_same_job_and_a_new_attempt_another(
    service: Dispatcher,
) -> None:
    """The key of the attempt is the job's id."""

    async def metas() -> list[bytes]:
        attempts = (0, 0, 1)
        answers = [await service.create(request("true", attempt)) for attempt in attempts]
        return [answer.resource_meta for answer in answers]

    first, replayed, next_attempt = asyncio.run(metas())
    assert first == replayed != next_attempt


@pytest.mark.parametrize(("shared", "is_answered_early"), [("", False), ("true", True)])
def test_a_slow_create_is_left_to_any_replica_only_where_all_have_the_spool(
    service: Dispatcher, monkeypatch: pytest.MonkeyPatch, *, shared: str, is_answered_early: bool
) -> None:
    """Another one would start the job a second time in a spool of its own."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL_SHARED", shared)
    submit = Spool.submit

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.5)
        return submit(*arguments)

    monkeypatch.setattr(Spool, "submit", slowly)

    async def create() -> bytes:
        meta: bytes = (await service.create(request("true"), 0.25)).resource_meta
        await end(service, meta)
        return meta

    meta = asyncio.run(create())
    assert bool(unseal(meta, "batch_job").request) is is_answered_early


def test_whether_the_spool_is_shared_is_said_plainly(service: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody guesses what an operator means."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL_SHARED", "perhaps")
    with pytest.raises(ServiceUnavailableError, match="'perhaps': set it to true or false"):
        asyncio.run(service.create(request("true")))


def test_a_replica_without_the_spool_says_running_and_its_delete_is_tried_again(
    jobs: Jobs, service: Dispatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flyte would start the next attempt of a job that it takes for lost."""
    faults = TransientFaults(lost_after=60)
    elsewhere = Dispatcher(service.registry, CallGuard(), faults=faults)

    async def ask() -> pb.Resource:
        meta = (await service.create(request("sleep 60"))).resource_meta
        monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "not-mounted"))
        poll = pb.GetTaskRequest(resource_meta=meta, task_category=CATEGORY)
        resource = (await elsewhere.get(poll, 10)).resource
        with pytest.raises(ServiceUnavailableError, match="not mounted on this replica"):
            await elsewhere.delete(pb.DeleteTaskRequest(resource_meta=meta, task_category=CATEGORY), 10)
        assert faults.counts.retried == 0  # no try within a call finds a spool mounted
        return resource

    assert asyncio.run(ask()).phase == Phase.RUNNING
    assert not (tmp_path / "not-mounted").exists()
    assert jobs.spool.job(next(path.name for path in Path(jobs.spool.root).glob("[!.]*"))).exists()


@pytest.mark.parametrize("meta", [b"", b"{}", b"not json", b'{"job_id": 3}', b'{"job_id": "../x"}'])
def test_a_foreign_meta_is_refused(service: Dispatcher, meta: bytes) -> None:
    """Empty, incomplete, damaged or forged."""
    poll = pb.GetTaskRequest(resource_meta=meta, task_category=CATEGORY)
    with pytest.raises(InvalidResourceMetaError):
        asyncio.run(service.get(poll))


def test_an_unknown_log_token_is_refused(service: Dispatcher) -> None:
    """By name, also through the guard."""

    async def ask() -> list[Any]:
        meta = (await service.create(request("true"))).resource_meta
        logs = pb.GetTaskLogsRequest(resource_meta=meta, task_category=CATEGORY, token="page-2")
        return [item async for item in service.get_logs(logs)]

    with pytest.raises(InvalidRequestError, match="token: 'page-2' is not a page of this log"):
        asyncio.run(ask())
