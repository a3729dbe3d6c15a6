"""Starting jobs: one for each attempt, and none for a bad request."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors._dispatch.wire import read_inputs
from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import RETRYABLE, Driver, driving, execution_of
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, LosesReplies, SeesInputs


class CreateRules:
    """Rules of `create`."""

    @rule("create")
    async def test_a_replay_is_the_same_job(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Flyte sends a create again when it did not learn the outcome, at any later time."""
        await start(driver, service, task_request)
        before = dict(service.jobs())
        await driver.create(task_request)
        assert set(service.jobs()) == set(before), (
            "repeating a create started another job: submit under idempotency_key, or look for the job first"
        )

    @rule("create", repeats=True)
    async def test_racing_replicas_start_one_job(
        self,
        connector: Callable[[], Any],
        service: ControllableService,
        task_request: pb.CreateTaskRequest,
    ) -> None:
        """The same create may reach two replicas at once."""
        before = set(service.jobs())
        async with driving(connector()) as one, driving(connector()) as other:
            await asyncio.gather(one.create(task_request), other.create(task_request))
        new = set(service.jobs()) - before
        assert len(new) == 1, (
            f"two replicas started {len(new)} jobs for one attempt: submit under idempotency_key, which the system must refuse twice"
        )

    @rule("create")
    async def test_a_new_attempt_is_a_new_job(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """A retry that finds the failed job of the attempt before would fail for ever."""
        before = set(service.jobs())
        run = task_request.task_execution_metadata.task_execution_id.node_execution_id.execution_id
        for attempt in range(2):
            await direct.create(execution_of(task_request, run=run.name, attempt=attempt))
        new = set(service.jobs()) - before
        message = f"two attempts started {len(new)} jobs: name the job by idempotency_key, which differs"
        assert len(new) == 2, message  # noqa: PLR2004

    @rule("create", service=LosesReplies, repeats=True)
    async def test_a_lost_reply_starts_one_job(
        self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """The service has accepted the job, but the reply was lost: a repeated create must find it."""
        before = set(service.jobs())
        service.lose_reply()
        with contextlib.suppress(ConnectorError):
            await direct.create(task_request)
        await direct.create(task_request)
        new = set(service.jobs()) - before
        assert len(new) == 1, (
            f"a create whose reply was lost started {len(new)} jobs: repeating it must find the first one"
        )

    @rule("create", given="other_request", repeats=True)
    async def test_another_task_is_no_replay(
        self,
        driver: Driver,
        service: ControllableService,
        task_request: pb.CreateTaskRequest,
        other_request: pb.CreateTaskRequest,
    ) -> None:
        """The job with the attempt's key does something else; it belongs to another task."""
        await start(driver, service, task_request)
        before = dict(service.jobs())
        run = task_request.task_execution_metadata.task_execution_id.node_execution_id.execution_id
        other = execution_of(other_request, run=run.name)
        other.connection.CopyFrom(task_request.connection)
        try:
            await driver.create(other)
        except ConnectorError as error:
            message = f"a retry can't help, but this error is retryable: {error!r}"
            assert error.code not in RETRYABLE, message  # noqa: PT017
        else:
            pytest.fail("create returned the job of another task: compare what it runs, else raise ConflictError")
        assert dict(service.jobs()) == before, "it started or cancelled a job; leave the other job alone"

    @rule("create", service=SeesInputs)
    async def test_inputs_arrive_unchanged(
        self,
        driver: Driver,
        service: Any,
        task_request: pb.CreateTaskRequest,
        typed_requests: Mapping[str, pb.CreateTaskRequest],
    ) -> None:
        """Values of every type arrive unchanged: no lost digits, no double quoting, nothing cut."""
        for name, typed in typed_requests.items():
            request = execution_of(typed)
            request.connection.CopyFrom(task_request.connection)
            job = await start(driver, service, request)
            sent, arrived = read_inputs(typed.template, typed.inputs), service.inputs_of(job.id)
            assert arrived == sent, f"{name}: the input {sent} arrived as {arrived}: serialize it without loss"

    @rule("create")
    async def test_create_leaves_its_request_alone(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """The request may be sent once more, and must mean the same then."""
        request = pb.CreateTaskRequest()
        request.CopyFrom(task_request)
        await direct.client.create(request)
        assert request == task_request, "create changed its request: copy what you change"

    @rule("create")
    async def test_create_takes_any_name_of_a_run(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Names of runs are long, in any script, and no part of an external system's syntax."""
        before = set(service.jobs())
        new_run = uuid.uuid4().hex[:12]  # the service may know the jobs of earlier tests
        for run in ("x" * 51, "Żółć/年 '\"`$;%s", "-"):
            await direct.create(execution_of(task_request, run=run + new_run))
        new = set(service.jobs()) - before
        message = f"three runs with unusual names started {len(new)} jobs: name the job by idempotency_key"
        assert len(new) == 3, message  # noqa: PLR2004

    @rule("create")
    async def test_bad_requests_start_nothing(
        self,
        driver: Driver,
        service: ControllableService,
        refused_requests: Mapping[str, pb.CreateTaskRequest],
    ) -> None:
        """What is wrong with a request has to be found before the job is submitted."""
        before = set(service.jobs())
        for field, request in refused_requests.items():
            with contextlib.suppress(ConnectorError):
                await driver.create(request)
            assert set(service.jobs()) == before, (
                f"the request with an invalid {field} started a job: validate before you submit"
            )
