"""Cancelling jobs in every state."""

from __future__ import annotations

import asyncio
import contextlib

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.job_loop import run_job
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, until
from flyte_connectors.testing.jobs import start, stop
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService


class DeletionRules:
    """Rules of `delete`. Flyte repeats a failing one without end."""

    @rule("delete")
    async def test_delete_stops_the_job(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """The service ends it, and `get` says so."""
        job = await start(driver, service, task_request)
        await driver.delete(job.meta)
        await until(lambda: not service.jobs().get(job.id), "the deleted job to stop")
        phase = (await driver.end(job.meta)).phase
        message = f"a deleted job is {Phase(phase).name}: report a terminal phase"
        assert phase in TERMINAL_PHASES - {Phase.SUCCEEDED}, message

    @rule("delete")
    async def test_delete_can_be_repeated(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Its reply may have been lost."""
        job = await start(driver, service, task_request)
        for _ in range(3):
            await driver.delete(job.meta)

    @rule("delete")
    async def test_a_finished_job_can_be_deleted(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Flyte deletes failed jobs, and a job may end while its delete is under way."""
        job = await start(driver, service, task_request)
        service.complete(job.id)
        ended = await driver.end(job.meta)
        await driver.delete(job.meta)
        phase = (await driver.get(job.meta)).phase
        assert phase == ended.phase, f"delete changed a finished job to {Phase(phase).name}: leave finished jobs alone"

    @rule("delete")
    async def test_a_lost_job_can_be_deleted(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Nothing is left to cancel; an error would make the action undeletable."""
        job = await start(driver, service, task_request)
        service.forget(job.id)
        await driver.delete(job.meta)

    @rule("delete")
    async def test_a_late_create_revives_nothing(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """A task can be aborted while its create is still on its way, or is being repeated."""
        job = await start(direct, service, task_request)
        await stop(direct, service, job)
        before = dict(service.jobs())
        with contextlib.suppress(ConnectorError):
            await direct.create(task_request)
        running = [name for name, runs in service.jobs().items() if runs and not before.get(name)]
        assert not running, (
            f"a create that arrived after its delete started {running}: record the cancellation under the key"
        )

    @rule("delete")
    async def test_an_interrupted_run_leaves_no_job(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """Ctrl-C, in the middle of a poll."""
        client = _InterruptedPoll(direct.client)
        client.run = asyncio.ensure_future(run_job(client, task_request))
        await until(client.run.done, "the interrupted run to end")
        assert client.has_deleted, "the interrupted run could not delete its job: let CancelledError through"


class _InterruptedPoll:
    """A client whose user presses Ctrl-C when the run asks about its job.

    Attributes:
        run: The run.
        has_deleted: Whether its job was deleted.
    """

    run: asyncio.Future[pb.Resource]
    has_deleted = False

    def __init__(self, client: ConnectorClient) -> None:
        self.create, self.get_logs = client.create, client.get_logs
        self._get, self._delete = client.get, client.delete

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        asyncio.get_running_loop().call_soon(self.run.cancel)
        return await self._get(request, timeout)

    async def delete(self, request: pb.DeleteTaskRequest, timeout: float | None = None) -> pb.DeleteTaskResponse:
        reply = await self._delete(request, timeout)
        self.has_deleted = True
        return reply
